"""What ranks other than the first have in place of files: they count along with rank 0, and write and say nothing."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainers.algorithms.learner import Learner
from trainers.config import RunSettings
from trainers.records.metrics import Summary
from trainers.records.progress import Display
from trainers.records.timers import TimerTree
from trainers.training.due import Due
from trainers.training.early_stop import EARLY_STOP, EarlyStop
from trainers.training.evaluation import Score
from trainers.training.outcome import Outcome
from trainers.training.recorder import Recorder
from trainers.training.run_files import RunFiles


class Silence:
    """A display that shows nothing."""

    def tick(self, behavior: str, step: int, max_steps: int, timers: TimerTree) -> None:
        """See `Display.tick`."""

    def summarise(self, summary: Summary) -> None:
        """See `Display.summarise`."""

    def say(self, text: str) -> None:
        """See `Display.say`."""

    def close(self) -> None:
        """See `Display.close`."""


class Follower(Recorder):
    """Knows when summaries and checkpoints are due, as the recorder of rank 0 does.

    Args:
        learner: the learner, which has the state of rank 0's.
        folder: the behavior's folder on rank 0.
        status: the behavior's part of an earlier `training_status.json`.
    """

    def __init__(self, learner: Learner, folder: Path, status: dict[str, Any]) -> None:
        self.learner, self.wandb = learner, None
        self.early_stop = EarlyStop(learner, status.get(EARLY_STOP) or {})
        self.best_return = -math.inf
        self.figures: dict[str, float] = {}
        self.scores: dict[str, float] = {}
        self.gauges: dict[str, dict[str, float]] = {}
        self.notes: list[str] = []
        self.folder = folder
        self._lesson = dict(learner.metrics.standing)
        self._saved_step = self._first_step = learner.step
        self._summary_at = (0.0, learner.step)
        self.due = Due(learner, status)

    def write(self, summary: Summary) -> None:
        """See `Recorder.write`; keeps the best return."""
        if summary.training:
            self.best_return = max(self.best_return, self._merit(summary.values))

    def monitor(self) -> None:
        """See `Recorder.monitor`; does nothing."""

    def save(self) -> None:
        """See `Recorder.save`; counts."""
        self.due.saved()
        self._saved_step = self.learner.step

    def close(self, seconds: float = math.nan) -> Outcome:
        """See `Recorder.close`."""
        return self.outcome(seconds)


class FollowerFiles(RunFiles):
    """The files of a run as seen by a rank that does not write them."""

    writes = False

    def __init__(self, settings: RunSettings, display: Display, timers: TimerTree) -> None:
        checkpoints = settings.checkpoint_settings
        self.settings, self.display, self.timers = settings, display, timers
        self.folder = Path(checkpoints.results_dir, str(checkpoints.run_id)).absolute()
        self.status: dict[str, Any] = {}
        self.unsaved: set[str] = set()
        self.unexported: set[str] = set()

    def record(self, learner: Learner, spaces: list[dict[str, Any]] | None = None) -> Recorder:
        """See `RunFiles.record`."""
        return Follower(learner, self.folder / learner.name, self.status.get(learner.name, {}))

    def summarise(self, recorder: Recorder) -> Summary | None:
        """See `RunFiles.summarise`."""
        summary = recorder.summarise(self.timers.elapsed)
        if summary is not None:
            recorder.write(summary)
        return summary

    def monitor(self, recorder: Recorder) -> None:
        """See `RunFiles.monitor`."""

    def evaluate(self, recorder: Recorder, score: Score) -> None:
        """See `RunFiles.evaluate`."""
        recorder.write(recorder.evaluated(score.values, self.timers.elapsed))

    def checkpoint(self, recorder: Recorder, lessons: Mapping[str, Mapping[str, float]]) -> None:
        """See `RunFiles.checkpoint`."""
        recorder.save()

    def begin(self) -> None:
        """See `RunFiles.begin`."""

    def close(self, recorders: Sequence[Recorder]) -> None:
        """See `RunFiles.close`."""
