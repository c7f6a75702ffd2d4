"""Writes the summaries and checkpoints of one behavior of a run, and its best policy."""

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gym_adapters.errors import UserError, refusal_named
from trainers.algorithms.learner import Learner
from trainers.config import RunSettings
from trainers.records.checkpoint import BEST, NEWEST
from trainers.records.checkpoint_content import require_savable
from trainers.records.checkpoint_keeper import CheckpointKeeper
from trainers.records.metrics import Summary
from trainers.records.monitor import MonitorFile
from trainers.records.reports import CsvReport, TensorBoardReport
from trainers.records.wandb_report import WandbReport
from trainers.training.best import BEST_LESSON, best_key, best_return_of
from trainers.training.outcome import Outcome
from trainers.training.past_policies import restore_opponents, save_opponents
from trainers.training.recorder import Recorder
from trainers.training.resuming import LESSON, restore, saved_behaviors


class FileRecorder(Recorder):
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
        self.spaces = spaces
        self.keeper = CheckpointKeeper(run_folder, learner.name, learner.settings.keep_checkpoints)
        folder = self.keeper.folder
        self.notes: list[str] = []
        if resume:
            self.notes += self._go_on(learner, run_folder, status)
        super().__init__(learner, folder, status)
        require_savable(self.state(), f"behavior {learner.name}: state")
        if resume:
            self.best_return = best_return_of(folder / BEST, status, best_key(learner), self._lesson)
        step = learner.step if resume else None
        self._tensorboard = self._csv = self.wandb = None
        with ExitStack() as undo:
            if wandb is not None:
                self.wandb = WandbReport(wandb, folder, resume)
                undo.callback(self.wandb.close, [])
            if learner.training or not resume:  # watching an earlier run changes none of its files
                with refusal_named(folder):
                    self._tensorboard = TensorBoardReport(folder, hyperparameters, step)
                self._csv = CsvReport(folder, step)
            self._monitor = None if monitored is None else MonitorFile(folder, monitored, resume)
            undo.pop_all()
        learner.metrics.ended = None if self._monitor is None else []
        self.notes += [report.note for report in (self._csv, self._monitor) if report and report.note]

    def _go_on(self, learner: Learner, run_folder: Path, status: dict[str, Any]) -> list[str]:
        """Go on from the newest checkpoint, or anew if the run ended before it saved this behavior for the first time.

        Returns:
            Messages for the user.

        Raises:
            UserError: there is no checkpoint of a behavior that is new to the run or was saved, or it does not fit.
        """
        folder = self.keeper.folder
        path = folder / NEWEST
        if not path.is_file():
            if not learner.training or not _was_never_saved(folder):
                raise UserError(_nothing_to_resume(path, run_folder))
            return ["begins anew, because the run ended before it was saved for the first time"]
        notes = restore(learner, path)
        notes += learner.load_store(folder)
        notes += restore_opponents(learner, folder, status)
        self.keeper.restore(status)
        return notes

    def write(self, summary: Summary) -> None:
        """Write a summary or an evaluation to all reports, and the policy if it is the best so far.

        Does nothing while an earlier run is only watched.

        Raises:
            OSError: a file could not be written.
        """
        if self._tensorboard is None or self._csv is None:
            return
        merit = self._merit(summary.values)
        with ExitStack() as files:  # each is written even if another one cannot be
            if summary.training and merit > self.best_return:
                files.callback(self._save_best, summary, merit)
            if self.wandb is not None:
                files.callback(self.wandb.write, summary)
            files.callback(self._csv.write, summary)
            files.callback(self._tensorboard.write, summary)

    def _save_best(self, summary: Summary, merit: float) -> None:
        self.keeper.save_best({**self.state(), best_key(self.learner): merit, BEST_LESSON: self._lesson})
        super().write(summary)

    def save(self) -> None:
        """Write a checkpoint, and the stored decisions if the learner keeps them.

        Raises:
            OSError: a file could not be written.
        """
        learner, metrics = self.learner, self.learner.metrics
        self.due.saved()  # before anything fails, so that the next one is not due at once
        self.keeper.save(self.state(), metrics.recent_mean if metrics.recent_returns else None)
        super().save()
        learner.save_store(self.folder)
        save_opponents(learner, self.folder)

    def monitor(self) -> None:
        """Write the episodes that have ended since the last call to `monitor.csv`, if there is one."""
        metrics = self.learner.metrics
        if self._monitor is not None and metrics.ended:
            ended, metrics.ended = metrics.ended, []
            self._monitor.write(ended, self.learner.step)

    def export(self) -> None:
        """Write the `.onnx` file of the newest checkpoint."""
        # Importing onnx takes seconds, so a run does not import it before it writes a checkpoint.
        from bridge.onnx_export import export_policy

        learner = self.learner
        self.keeper.export(lambda path: export_policy(learner.policy, learner.spec, path, learner.name))

    def draw(self) -> None:
        """Draw the plots."""
        learner = self.learner
        if self._csv is not None:
            self._csv.draw(f"{learner.name}, {learner.kind}, seed {learner.task.seed}")

    def status(self) -> dict[str, Any]:
        """See `Recorder.status`; with the list of checkpoints."""
        return {**self.keeper.status(), **super().status()}

    def close(self, seconds: float = math.nan) -> Outcome:
        """See `Recorder.close`."""
        if self.wandb is not None:
            self.wandb.close([self.keeper.final_model, self.folder / NEWEST, self.folder / BEST])
        return super().close(seconds)

    def state(self) -> dict[str, Any]:
        """Return the content of a checkpoint, after the update that runs in a thread, if one does."""
        self.learner.wait()
        spaces = {} if self.spaces is None else {"spaces": self.spaces}
        standing = self.learner.metrics.standing
        lesson = {LESSON: dict(standing)} if standing else {}
        behavior = {**self.learner.description(), **spaces}
        return {**self.learner.state_dict(), **lesson, "behavior": behavior}


def _was_never_saved(folder: Path) -> bool:
    """Whether a behavior with this folder has begun in the run, and the run ended before its first checkpoint."""
    return folder.is_dir() and all(path.name == BEST for path in folder.glob("*.pt"))


def _nothing_to_resume(path: Path, run_folder: Path) -> str:
    """Return the error line for a behavior without the checkpoint `path`."""
    advice = "remove --resume or use --force"
    if known := saved_behaviors(run_folder):
        advice = (
            f"the run has {known}; give the behavior its old name, or begin a new run with --initialize-from"
        )
    return f"{path}: there is no checkpoint to resume; {advice}"
