"""What algorithms that learn from a rollout share: when they learn from it, the normaliser, and what remains of it."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from trainers.algorithms.learner import Learner
from trainers.algorithms.threaded import Update
from trainers.config import RolloutSettings
from trainers.experience.batch import Batch
from trainers.experience.rollout import Columns, Rollout
from trainers.experience.samplers import Sampler, divide, sampler_for
from trainers.experience.store import NoStore, Store
from trainers.experience.task import Task
from trainers.maths.losses import explained_variance
from trainers.networks.normalizer import VectorNormalizer
from trainers.optim.collective import JointError, weighted_mean
from trainers.rewards.signal import updated

WARM_UP = 0.1
"""The part of `buffer_size` from which a new normaliser gets its first moments."""
MOMENTS_CHUNK = 4096
"""Rows whose moments are computed at a time, which limits the size of their copies in float64."""


class RolloutLearner(Learner):
    """Learns one behavior from a rollout, and then drops the rollout.

    A subclass makes the optimiser, and takes the gradient steps (`optimise`).

    Attributes:
        rollout: the decisions since the last update.
        sampler: divides them into minibatches.
    """

    hyper: RolloutSettings

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.sampler: Sampler = sampler_for(task)
        policy = self.policy
        sizes = policy.memory_size, policy.critic_memories, policy.gives_log_prob
        self.rollout = Rollout(task.spec, self.hyper.buffer_size + 64, *sizes)
        self._carried: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    @abstractmethod
    def optimise(self, columns: Columns) -> None:
        """Take the gradient steps of an update on the settled rows of a rollout."""

    @property
    def store(self) -> Store:
        """See `Learner.store`. A learner that does not train keeps nothing."""
        return self.rollout if self.training else NoStore()

    @property
    def ready(self) -> bool:
        """See `Learner.ready`; whether `buffer_size` decisions have been rewarded (ML-Agents key)."""
        return self.training and self.all_rows >= self._wanted

    @property
    def missing(self) -> float:
        """See `Learner.missing`."""
        return self._wanted - (0 if self.rows is None else float(self.rows.sum()))

    def meet(self, rows: np.ndarray, *told: Any) -> None:
        """See `Learner.meet`.

        Raises:
            JointError: a rank has no decisions to learn from, while the others have two rollouts.
        """
        super().meet(rows, *told)
        if self.training and not rows.all() and rows.sum() >= 2 * self.hyper.buffer_size:
            raise JointError(
                f"behavior {self.name}: rank {int(rows.argmin())} has no rewarded decision, and the other ranks have "
                f"{int(rows.sum()):,}; every rank needs agents of every behavior"
            )

    @property
    def _wanted(self) -> float:
        """Settled rows of all ranks that an update needs."""
        return (WARM_UP if self.warming_up else 1.0) * float(self.hyper.buffer_size)

    @property
    def warming_up(self) -> bool:
        """Whether the normaliser has no moments yet."""
        return self.policy.normalizer is not None and self.observation_moments.count == 1.0

    @property
    def learns_at_once(self) -> bool:
        """See `Learner.learns_at_once`; whether the normaliser gets its first moments, which takes no time."""
        return self.warming_up

    def update(self) -> None:
        """Learn from the rewarded decisions, then drop them. Decisions without a reward are kept.

        Raises:
            UserError: a weight is no longer finite.
        """
        self.learn_from(self.rollout.columns())
        self.episode_sums.keep(*self._carry_over())

    def set_aside(self, twin: Self) -> Update:
        """See `Learner.set_aside`. The thread learns from a copy of the rollout, and agents go on with the next one."""
        columns = self.rollout.columns()
        if self._carried is not None:  # what the critic remembers of them was not known before
            rows, moved, memory = self._carried
            columns.critic_memory[moved] = memory[rows]
        columns = columns.copy()
        rows, moved = self._carry_over()
        self._carried = rows, moved, columns.critic_memory

        def update() -> None:
            twin.learn_from(columns)
            twin.episode_sums.keep(rows, moved)

        return update

    @np.errstate(over="ignore", invalid="ignore")  # weights that are no numbers are refused
    def learn_from(self, columns: Columns) -> None:
        """Learn from the settled rows of a rollout.

        The first decisions only initialise the normaliser. A policy that learned from raw observations would be a
        different function of normalised ones.

        Raises:
            UserError: a weight is no longer finite.
        """
        self.share_moments()
        if self.summed_signals:
            self.report_sums(np.arange(len(columns.settled)), columns, columns.next_row, columns.starts)
        if not self.warming_up:
            self.optimise(columns)
            self.clone()
            for signal in self.signals:
                for tag, value in updated(signal, columns).items():
                    self.metrics.add(tag, value)
        if self.policy.normalizer is not None:
            self._update_normalizer(self.policy.normalizer, columns)

    def minibatches(self, batch: Batch) -> tuple[Batch, list[slice]]:
        """Return a batch in the order of one epoch, and the slice of each minibatch; all ranks have as many."""
        rows = np.array([len(batch)]) if self.rows is None else self.rows
        division = divide(rows, self.collective.rank, self.hyper.batch_size)
        self.optimizer.weight = division.weight
        shuffled, parts = self.sampler.draw(batch, division.size, self.generator)
        return shuffled, parts[: int(self.collective.gather(np.array([len(parts)])).min())]

    def report_values(self, batch: Batch) -> None:
        """Report the mean value of each stream, and how well the values explained the returns; before the update."""
        values: list[Tensor] = []
        tags: list[str] = []
        for index, signal in enumerate(self.signals[: batch.value.shape[1]]):
            value = batch.value[:, index]
            values += [value.mean(), explained_variance(value, batch.returns[:, index])]
            tags += [f"Policy/{signal.title} Value Estimate", f"Policy/{signal.title} Explained Variance"]
        means = weighted_mean(self.collective, torch.stack(values), self.weight)
        for tag, mean in zip(tags, means.tolist(), strict=True):
            self.metrics.add(tag, mean)

    @property
    def weight(self) -> float:
        """This rank's part of the rollout."""
        return 1.0 if self.rows is None else float(self.rows[self.collective.rank] / self.rows.sum())

    def _carry_over(self) -> tuple[np.ndarray, np.ndarray]:
        """Drop all rows but those of living agents whose decisions have no reward yet, and their groupmates.

        Returns:
            The numbers of the rows that are kept, (n,), and their new numbers, (n,).
        """
        kept = self.open_rows()
        rows = np.concatenate(kept)
        moved = self.rollout.restart(rows)
        self.rows = None if self.rows is None else np.zeros_like(self.rows)
        parts = np.split(moved, np.cumsum([len(part) for part in kept])[:-1])
        for table, part in zip(self.own_agents(), parts, strict=True):
            table.open_row[table.slots] = part
        return rows, moved

    def _update_normalizer(self, normalizer: VectorNormalizer, columns: Columns) -> None:
        """Add the settled rows to the moments of the observations."""
        settled = np.flatnonzero(columns.settled)
        for start in range(0, len(settled), MOMENTS_CHUNK):
            rows = settled[start : start + MOMENTS_CHUNK]
            vectors = [columns.observations[index][rows] for index in self.policy.vector_columns]
            self.observation_moments.update(np.concatenate(vectors, axis=1))
        self.observation_moments.share()
        normalizer.assign(self.observation_moments)
