"""Writes the summaries and checkpoints of one behavior of a run, and its best policy."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gym_adapters.errors import UserError, refusal_named
from trainers.algorithms.learner import Learner
from trainers.config import RunSettings
from trainers.records.checkpoint import BEST, NEWEST, save_state
from trainers.records.checkpoint_keeper import CheckpointKeeper
from trainers.records.gauges import add_gauges
from trainers.records.metrics import EVALUATION_RETURN, SPEED, Summary
from trainers.records.monitor import MonitorFile
from trainers.records.reports import CsvReport, TensorBoardReport
from trainers.records.wandb_report import WandbReport
from trainers.training.callbacks import Moment
from trainers.training.due import Due
from trainers.training.early_stop import EARLY_STOP, EarlyStop
from trainers.training.outcome import Outcome
from trainers.training.resuming import (
    BEST_EVALUATION,
    BEST_LESSON,
    BEST_RETURN,
    DEVICE,
    ELO_STATUS,
    NEXT_EVALUATION,
    OPPONENTS,
    best_return_of,
    restore,
    restore_opponents,
)


class Recorder:
    """Writes the folder `<run>/<Behavior>/` of a learner. `behavior_folder` gives the folder's name.

    Args:
        learner: the learner to record.
        run_folder: the run's folder.
        hyperparameters: the behavior's settings as text, for TensorBoard.
        status: this behavior's part of an earlier `training_status.json`; empty for a new run.
        resume: whether to continue from the folder's newest checkpoint.
        wandb: the run's settings if the run is logged to Weights & Biases, else None.
        spaces: descriptions of the observation and action space, if there are any, for `LoadedPolicy.predict`.
        monitored: the environment's name, for a `monitor.csv`; None without one.

    Attributes:
        folder: holds checkpoints and curves.
        best_return: the highest `Learner.merit` at any summary, or with `evaluation_freq` the highest mean return of an
            evaluation, of the present lesson; -inf before its 100 episodes or its first evaluation.
        early_stop: says whether the behavior has learned enough.
        due: says whether a summary, an evaluation or a checkpoint is due.
        figures: the newest summary, one number for each TensorBoard tag; empty before the first one.
        scores: the newest evaluation, one number for each TensorBoard tag; empty before the first one.
        gauges: newest value and range of each TensorBoard tag, for `timers.json`.
        notes: messages for the user.

    Raises:
        UserError: there is no checkpoint to resume, or it does not fit, or the folder cannot be written, or Weights &
            Biases refuses.
    """

    def __init__(
        self,
        learner: Learner,
        run_folder: Path,
        hyperparameters: str,
        status: dict[str, Any],
        resume: bool,
        wandb: RunSettings | None = None,
        spaces: list[dict[str, Any]] | None = None,
        monitored: str | None = None,
    ) -> None:
        self.learner = learner
        self.spaces = spaces
        self.keeper = CheckpointKeeper(run_folder, learner.name, learner.settings.keep_checkpoints)
        self.folder = self.keeper.folder
        self.best_return = -math.inf
        self.figures: dict[str, float] = {}
        self.scores: dict[str, float] = {}
        self.gauges: dict[str, dict[str, float]] = {}
        self.notes: list[str] = []
        if resume:
            path = self.keeper.folder / NEWEST
            if not path.is_file():
                raise UserError(f"{path}: there is no checkpoint to resume; remove --resume or use --force")
            self.notes = restore(learner, path)
            learner.load_store(self.keeper.folder)
            self.notes += restore_opponents(learner, self.keeper.folder)
            self.keeper.restore(status)
            standing = learner.metrics.standing
            self.best_return = best_return_of(self.keeper.folder / BEST, status, self._best_key, standing)
        self.early_stop = EarlyStop(learner, status.get(EARLY_STOP) or {})
        self._lesson = dict(learner.metrics.standing)
        self._saved_step = self._first_step = learner.step
        step = learner.step if resume else None
        self.wandb = None if wandb is None else WandbReport(wandb, self.keeper.folder, resume)
        self._tensorboard = self._csv = None
        if learner.training or not resume:  # watching an earlier run changes none of its files
            with refusal_named(self.keeper.folder):
                self._tensorboard = TensorBoardReport(self.keeper.folder, hyperparameters, step)
            self._csv = CsvReport(self.keeper.folder, step)
        self._monitor = None if monitored is None else MonitorFile(self.keeper.folder, monitored, resume)
        learner.metrics.ended = None if self._monitor is None else []
        self._summary_at = (0.0, learner.step)
        self.notes += [report.note for report in (self._csv, self._monitor) if report and report.note]
        self.due = Due(learner, status)

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
        """Write a summary or an evaluation to all reports, and the policy if it is the best so far.

        Does nothing while an earlier run is only watched.

        Raises:
            OSError: a file could not be written.
        """
        if self._tensorboard is None or self._csv is None:
            return
        try:
            self._tensorboard.write(summary)
        finally:  # each report is written even if another one cannot be
            self._csv.write(summary)
        if self.wandb is not None:
            self.wandb.write(summary)
        merit = self._merit(summary.values)
        if summary.training and merit > self.best_return:
            self.keeper.save_best({**self.state(), self._best_key: merit, BEST_LESSON: self._lesson})
            self.best_return = merit

    def monitor(self) -> None:
        """Write the episodes that have ended since the last call to `monitor.csv`, if there is one.

        Raises:
            OSError: the file could not be written, and this is new.
        """
        metrics = self.learner.metrics
        if self._monitor is not None and metrics.ended:
            ended, metrics.ended = metrics.ended, []
            self._monitor.write(ended, self.learner.step)

    def save(self) -> None:
        """Write a checkpoint, and the stored decisions if the learner keeps them.

        Raises:
            OSError: a file could not be written.
        """
        learner, metrics = self.learner, self.learner.metrics
        self.due.saved()
        self.keeper.save(self.state(), metrics.recent_mean if metrics.recent_returns else None)
        self._saved_step = learner.step
        learner.save_store(self.keeper.folder)
        if learner.opponents is not None:
            save_state(self.keeper.folder / OPPONENTS, learner.opponents.state_dict())

    def export(self) -> None:
        """Write the `.onnx` file of the newest checkpoint.

        Raises:
            OSError: the file could not be written.
        """
        # Importing onnx takes seconds, so a run does not import it before it writes a checkpoint.
        from bridge.onnx_export import export_policy

        learner = self.learner
        self.keeper.export(lambda path: export_policy(learner.policy, learner.spec, path, learner.name))

    def draw(self) -> None:
        """Draw the plots.

        Raises:
            OSError: a plot could not be written.
        """
        learner = self.learner
        if self._csv is not None:
            self._csv.draw(f"{learner.name}, {learner.kind}, seed {learner.task.seed}")

    def status(self) -> dict[str, Any]:
        """Return this behavior's part of `training_status.json`."""
        best = self.best_return if math.isfinite(self.best_return) else None
        opponents = self.learner.opponents
        rating = {} if opponents is None else {ELO_STATUS: opponents.latest.rating}
        evaluation = {NEXT_EVALUATION: int(self.due.next_evaluation)} if self._is_evaluated else {}
        return {
            **self.keeper.status(),
            self._best_key: best,
            DEVICE: str(self.learner.device),
            **rating,
            **evaluation,
            **self.early_stop.status,
        }

    def close(self, seconds: float = math.nan) -> Outcome:
        """Close the files and return the outcome of a session that took this time."""
        if self.wandb is not None:
            self.wandb.close([self.keeper.final_model, self.folder / NEWEST, self.folder / BEST])
        return self.outcome(seconds)

    def outcome(self, seconds: float) -> Outcome:
        """Return the outcome of a session that took this wall-clock time."""
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

    def state(self) -> dict[str, Any]:
        """Return the content of a checkpoint, after the update that runs in a thread, if one does."""
        self.learner.wait()
        spaces = {} if self.spaces is None else {"spaces": self.spaces}
        return {**self.learner.state_dict(), "behavior": {**self.learner.description(), **spaces}}

    def _notice_lesson(self) -> None:
        """Let the best policy be that of the present lesson, since returns of two lessons do not compare."""
        standing = dict(self.learner.metrics.standing)
        if standing != self._lesson:
            self._lesson, self.best_return = standing, -math.inf

    @property
    def _is_evaluated(self) -> bool:
        return self.learner.settings.evaluation_freq is not None

    @property
    def _best_key(self) -> str:
        return BEST_EVALUATION if self._is_evaluated else BEST_RETURN

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
