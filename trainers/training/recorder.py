"""What is written for one behavior of a run, and when: summaries, checkpoints, the best policy."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gym_adapters.errors import UserError, refusal_named
from trainers.algorithms.learner import Learner
from trainers.config import RunSettings
from trainers.records.checkpoint import BEST, NEWEST, CheckpointKeeper, damage_named, load_state
from trainers.records.metrics import Summary
from trainers.records.policy_file import check_fits
from trainers.records.reports import CsvReport, TensorBoardReport
from trainers.records.wandb_report import WandbReport

BEST_RETURN = "best_return"
"""In `best.pt` and `training_status.json`: the mean return that made the policy the best one."""


@dataclass(frozen=True)
class Outcome:
    """What a run reached for one behavior.

    Attributes:
        steps: agent steps trained in all.
        episodes: episodes ended in all.
        mean_return: mean over the last 100 training episodes, NaN without any.
        best_return: the highest such mean at any summary, NaN before 100 episodes; `best.pt` holds that policy.
        folder: where checkpoints and curves are.
    """

    steps: int
    episodes: int
    mean_return: float
    best_return: float
    folder: Path


class Recorder:
    """A learner with its folder `<run>/<Behavior>/`.

    Args:
        learner: what to record.
        run_folder: the run's folder.
        hyperparameters: the behavior's settings as text, for TensorBoard.
        status: this behavior's part of an earlier `training_status.json`; empty for a new run.
        resume: go on from the folder's newest checkpoint.
        wandb: the settings of the run, if it is to be logged to Weights & Biases.

    Raises:
        UserError: there is nothing to resume, or it does not fit, or the folder cannot be written to, or
            Weights & Biases refuses.
    """

    def __init__(
        self,
        learner: Learner,
        run_folder: Path,
        hyperparameters: str,
        status: dict[str, Any],
        resume: bool,
        wandb: RunSettings | None = None,
    ) -> None:
        self.learner = learner
        self.keeper = CheckpointKeeper(run_folder, learner.name, learner.settings.keep_checkpoints)
        self.best_return = -math.inf
        self.gauges: dict[str, dict[str, float]] = {}
        if resume:
            path = self.keeper.folder / NEWEST
            if not path.is_file():
                raise UserError(
                    f"{path}: there is no checkpoint to resume; leave --resume out or use --force"
                )
            restore(learner, path)
            learner.load_store(self.keeper.folder)
            self.keeper.restore(status)
            self.best_return = best_return_of(self.keeper.folder / BEST, status)
        step = learner.step if resume else None
        self.wandb = None if wandb is None else WandbReport(wandb, self.keeper.folder, resume)
        with refusal_named(self.keeper.folder):
            self._tensorboard = TensorBoardReport(self.keeper.folder, hyperparameters, step)
        self._csv = CsvReport(self.keeper.folder, step)
        self._next_summary = next_multiple(learner.step, learner.settings.summary_freq)
        self._next_checkpoint = next_multiple(learner.step, learner.settings.checkpoint_interval)

    @property
    def summary_due(self) -> bool:
        """`summary_freq` agent steps have passed."""
        return self.learner.step >= self._next_summary

    @property
    def checkpoint_due(self) -> bool:
        """`checkpoint_interval` agent steps have passed."""
        return self.learner.step >= self._next_checkpoint

    def summarise(self, elapsed: float) -> Summary | None:
        """What has happened since the last summary, to be given to `write`; None if nothing has."""
        learner = self.learner
        values, histograms, returns = learner.metrics.summarise()
        self._next_summary = next_multiple(learner.step, learner.settings.summary_freq)
        if not values:
            return None
        self._gauge(values)
        return Summary(learner.name, learner.step, elapsed, values, histograms, returns, learner.training)

    def write(self, summary: Summary) -> None:
        """Write a summary everywhere, and the best policy so far if it is this one.

        Raises:
            OSError: a file could not be written.
        """
        try:
            self._tensorboard.write(summary)
        finally:  # one of them may be refused
            self._csv.write(summary)
        if self.wandb is not None:
            self.wandb.write(summary)
        metrics = self.learner.metrics
        if summary.training and len(metrics.recent_returns) == metrics.recent_returns.maxlen:
            self._keep_if_best(metrics.recent_mean)

    def checkpoint(self) -> dict[str, Any]:
        """Write a checkpoint with its `.onnx`; returns the entry for `training_status.json`.

        Raises:
            OSError: a file could not be written.
        """
        from bridge.onnx_export import export_policy  # onnx takes a while to import; a run starts without it

        learner, metrics = self.learner, self.learner.metrics
        self._next_checkpoint = next_multiple(learner.step, learner.settings.checkpoint_interval)
        self.keeper.save(
            self.state(),
            metrics.recent_mean if metrics.recent_returns else None,
            lambda path: export_policy(learner.policy, learner.spec, path),
        )
        learner.save_store(self.keeper.folder)
        return self.status()

    def draw(self) -> None:
        """Draw the plots.

        Raises:
            OSError: one could not be written.
        """
        self._csv.draw()

    def status(self) -> dict[str, Any]:
        """This behavior's part of `training_status.json`."""
        best = self.best_return if math.isfinite(self.best_return) else None
        return {**self.keeper.status(), BEST_RETURN: best}

    def close(self) -> Outcome:
        """Close the files; says what was reached."""
        self._tensorboard.close()
        if self.wandb is not None:
            folder = self.keeper.folder
            self.wandb.close([self.keeper.final_model, folder / NEWEST, folder / BEST])
        metrics = self.learner.metrics
        best = self.best_return if math.isfinite(self.best_return) else math.nan
        return Outcome(self.learner.step, metrics.episodes, metrics.recent_mean, best, self.keeper.folder)

    def state(self) -> dict[str, Any]:
        """A whole checkpoint."""
        learner = self.learner
        return {**learner.state_dict(), "behavior": learner.description()}

    def _gauge(self, values: dict[str, float]) -> None:
        """Keep the newest value and the range of each tag, as ML-Agents' `timers.json` names them."""
        for tag, value in values.items():
            name = f"{self.learner.name}.{tag.replace('/', '.').replace(' ', '')}.mean"
            known = self.gauges.get(name, {"min": value, "max": value, "count": 0})
            self.gauges[name] = {
                "value": value,
                "min": min(known["min"], value),
                "max": max(known["max"], value),
                "count": known["count"] + 1,
            }

    def _keep_if_best(self, mean_return: float) -> None:
        if mean_return > self.best_return:
            self.keeper.save_best({**self.state(), BEST_RETURN: mean_return})
            self.best_return = mean_return


def next_multiple(step: int, interval: int) -> int:
    """The first multiple of `interval` after `step`."""
    return (step // interval + 1) * interval


def best_return_of(path: Path, status: dict[str, Any]) -> float:
    """The mean return that a resumed run has to exceed; minus infinity where there is no best policy yet.

    The file itself counts. `training_status.json` is written with each checkpoint only, and so may be older.

    Args:
        path: the run's `best.pt`.
        status: the behavior's part of `training_status.json`, for a file of an older version, which has no score.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return -math.inf
    try:
        state = load_state(path)
        with damage_named(path):
            best = state.get(BEST_RETURN, status.get(BEST_RETURN))
            return -math.inf if best is None else float(best)
    except UserError as error:
        raise UserError(f"{error}, or delete it: a run goes on without a best policy") from error


def restore(learner: Learner, path: Path, only_weights: bool = False) -> None:
    """Load a checkpoint into a learner.

    Raises:
        UserError: the file is damaged, or belongs to another network or algorithm.
    """
    state = load_state(path)
    with damage_named(path):
        check_fits(path, state, learner.policy)
        if not only_weights and state["trainer_type"] != learner.kind:
            raise UserError(
                f"{path}: written by {state['trainer_type']}, cannot be resumed with {learner.kind}"
            )
        if not only_weights and "Optimizer:value_optimizer" not in state:
            raise UserError(f"{path}: a kept policy, without the optimiser's state; use --initialize-from")
        if not only_weights and not learner.optimizer.fits(state["Optimizer:value_optimizer"]):
            raise UserError(
                f"{path}: its optimiser moved other weights than this one would; set natural_gradient_kl as it was, "
                "or use --initialize-from"
            )
        learner.load_state_dict(state, only_weights)
