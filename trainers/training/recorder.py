"""Counts what one behavior of a run does, and says what is due and how good it is. `FileRecorder` writes it too."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trainers.algorithms.learner import Learner
from trainers.records.metrics import EVALUATION_RETURN, SPEED, Summary
from trainers.records.timers import add_gauges
from trainers.training.best import best_key
from trainers.training.callbacks import Moment
from trainers.training.due import NEXT_EVALUATION, Due
from trainers.training.early_stop import EARLY_STOP, EarlyStop
from trainers.training.outcome import Outcome
from trainers.training.past_policies import ELO_STATUS
from trainers.training.resuming import DEVICE


class Recorder:
    """Counts and judges, and writes nothing: this is what the ranks have whose files rank 0 writes.

    The methods that only write do nothing here; `FileRecorder` says how they write.

    Args:
        learner: the learner to record, with the state that it goes on from.
        folder: the behavior's folder.
        status: this behavior's part of an earlier `training_status.json`; empty for a new run.

    Attributes:
        folder: holds checkpoints and curves.
        best_return: the highest `Learner.merit` at any summary, or with `evaluation_freq` the highest mean return of an
            evaluation, of the present lesson; -inf before its 100 episodes or its first evaluation.
        early_stop: says whether the behavior has learned enough.
        due: says whether a summary, an evaluation or a checkpoint is due.
        figures: the newest summary, one number for each TensorBoard tag; empty before the first one.
        scores: the newest evaluation, one number for each TensorBoard tag; empty before the first one.
        gauges: newest value and range of each TensorBoard tag, for `timers.json`.
    """

    def __init__(self, learner: Learner, folder: Path, status: Mapping[str, Any]) -> None:
        self.learner, self.folder = learner, folder
        self.best_return = -math.inf
        self.figures: dict[str, float] = {}
        self.scores: dict[str, float] = {}
        self.gauges: dict[str, dict[str, float]] = {}
        self.early_stop = EarlyStop(learner, status.get(EARLY_STOP) or {})
        self.due = Due(learner, status)
        self._lesson = dict(learner.metrics.standing)
        self._saved_step = self._first_step = learner.step
        self._summary_at = (0.0, learner.step)

    @property
    def ends(self) -> bool:
        """Whether the learner is still learning, and has reached `max_steps` or learned enough."""
        learner = self.learner
        done = learner.step >= learner.settings.max_steps or bool(self.early_stop.reason)
        return learner.training and done

    @property
    def has_news(self) -> bool:
        """Whether decisions were rewarded since the newest checkpoint."""
        return self.learner.step > self._saved_step

    @property
    def has_rewards(self) -> bool:
        """Whether decisions were rewarded in this session."""
        return self.learner.step > self._first_step

    @property
    def has_learned(self) -> bool:
        """Whether an update has reported its losses."""
        return any(name.startswith(f"{self.learner.name}.Losses.") for name in self.gauges)

    def summarise(self, elapsed: float) -> Summary | None:
        """Return a summary of what happened since the last one, for `write`; None if nothing happened.

        Args:
            elapsed: seconds since the run began.
        """
        learner = self.learner
        self._notice_lesson()
        values, histograms, returns = learner.metrics.summarise()
        self.due.summarised()
        if not values:
            return None
        seconds, steps = elapsed - self._summary_at[0], learner.step - self._summary_at[1]
        self._summary_at = (elapsed, learner.step)
        if seconds > 0 and steps:
            values[SPEED] = steps / seconds
        self.figures = dict(values)
        add_gauges(self.gauges, self.learner.name, values)
        return self._summary(elapsed, values, histograms, returns)

    def evaluated(self, values: dict[str, float], elapsed: float) -> Summary:
        """Return the numbers of an evaluation by tag, in the form that `write` takes.

        Args:
            values: one number for each tag.
            elapsed: seconds since the run began.
        """
        self._notice_lesson()
        self.due.evaluated()
        self.scores = dict(values)
        add_gauges(self.gauges, self.learner.name, values)
        return self._summary(elapsed, values, {}, [])

    def write(self, summary: Summary) -> None:
        """Note the best return, after a summary or an evaluation.

        Raises:
            OSError: a file could not be written.
        """
        if summary.training:
            self.best_return = max(self.best_return, self._merit(summary.values))

    def save(self) -> None:
        """Note that there was a checkpoint.

        Raises:
            OSError: a file could not be written.
        """
        self.due.saved()
        self._saved_step = self.learner.step

    def monitor(self) -> None:
        """Write the episodes that have ended since the last call, if there is a file of them.

        Raises:
            OSError: the file could not be written, and this is new.
        """

    def export(self) -> None:
        """Write the `.onnx` file of the newest checkpoint.

        Raises:
            OSError: the file could not be written.
            NoModelError: there can be none of this network.
        """

    def draw(self) -> None:
        """Draw the plots.

        Raises:
            OSError: a plot could not be written.
        """

    def status(self) -> dict[str, Any]:
        """Return this behavior's part of `training_status.json`."""
        self._notice_lesson()
        best = self.best_return if math.isfinite(self.best_return) else None
        opponents = self.learner.opponents
        rating = {} if opponents is None else {ELO_STATUS: opponents.latest.rating}
        evaluation = {NEXT_EVALUATION: int(self.due.next_evaluation)} if self._is_evaluated else {}
        return {
            best_key(self.learner): best,
            DEVICE: str(self.learner.device),
            **rating,
            **evaluation,
            **self.early_stop.status,
        }

    def close(self, seconds: float = math.nan) -> Outcome:
        """Close the files, if there are any, and return the outcome of a session that took this wall-clock time."""
        learner, metrics = self.learner, self.learner.metrics
        return Outcome(
            learner.step,
            metrics.episodes,
            metrics.recent_mean,
            self.best_return if math.isfinite(self.best_return) else math.nan,
            self.folder,
            learner.step - self._first_step,
            seconds,
            learner.finished,
        )

    def moment(self, stop: Callable[[], None]) -> Moment:
        """Return how the behavior stands, for callbacks, which may call `stop`."""
        learner, metrics = self.learner, self.learner.metrics
        return Moment(
            learner.name,
            learner.step,
            metrics.episodes,
            metrics.recent_mean,
            self.folder,
            MappingProxyType({**self.figures, **self.scores}),
            stop,
        )

    def _notice_lesson(self) -> None:
        """Let the best policy be that of the present lesson, since returns of two lessons do not compare."""
        standing = dict(self.learner.metrics.standing)
        if standing != self._lesson:
            self._lesson, self.best_return = standing, -math.inf

    @property
    def _is_evaluated(self) -> bool:
        return self.learner.settings.evaluation_freq is not None

    def _merit(self, values: Mapping[str, float]) -> float:
        """Return the measure of the policy at a summary or an evaluation with these values; -inf if there is none."""
        if self._is_evaluated:
            return values.get(EVALUATION_RETURN, -math.inf)
        return self.learner.merit if self.learner.metrics.is_full else -math.inf

    def _summary(
        self,
        elapsed: float,
        values: dict[str, float],
        histograms: dict[str, list[float]],
        returns: list[float],
    ) -> Summary:
        learner, best = self.learner, max(self.best_return, self._merit(values))
        return Summary(
            learner.name,
            learner.step,
            elapsed,
            values,
            histograms,
            returns,
            learner.training,
            best if math.isfinite(best) else None,
        )
