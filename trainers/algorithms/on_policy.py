"""What PPO and A2C share: the rollout, when it is learned from, and what remains of it."""

from typing import Any

import numpy as np

from trainers.algorithms.epochs import EpochLearner
from trainers.algorithms.threaded import Update
from trainers.experience.agents import AgentBatch
from trainers.experience.rollout import Columns, Rollout
from trainers.experience.store import NoStore, Store
from trainers.experience.task import Task
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.normalizer import VectorNormalizer
from trainers.networks.policy_network import ActionSample
from trainers.optim.collective import JointError
from trainers.optim.numpy_path import NumpyPath, find_path
from trainers.optim.optimizer import flatten
from trainers.optim.threads import is_short

WARM_UP = 0.1
"""The part of `buffer_size` from which a new normaliser gets its first moments."""
MOMENTS_CHUNK = 4096
"""Rows whose moments are computed at a time, which limits the size of their copies in float64."""


class OnPolicyLearner(EpochLearner):
    """Learns one behavior from a rollout, and then drops the rollout.

    See `EpochLearner` for what a subclass says.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        sizes = self.policy.memory_size, self.policy.critic_memories
        self.rollout = Rollout(task.spec, self.hyper.buffer_size + 64, *sizes)
        self._acting_path: NumpyPath | None = None
        self._carried: tuple[np.ndarray, np.ndarray] | None = None

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

    def choose(self, batch: AgentBatch) -> ActionSample:
        """See `Mind.choose`. Short passes take the numpy path, if there is one."""
        path = self.numpy_path if self.acting is self.policy else self._acting_path
        if path is None or not is_short(len(batch), self.parameters):
            return super().choose(batch)
        return path.choose(batch.observations, batch.forbidden, self.deterministic, self.acting_generator)

    def act_apart(self) -> None:
        """See `Learner.act_apart`."""
        super().act_apart()
        if self.numpy_path is not None:
            assert isinstance(self.acting, ActorCritic)
            flatten(self.acting.parameter_groups())
            self._acting_path = find_path(self.acting)

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

    def set_aside(self, twin: Any) -> Update:
        """See `Learner.set_aside`. The thread learns from a copy of the rollout, and agents go on with the next one."""
        columns = self.rollout.columns()
        if self._carried is not None:  # what the critic remembers of them was not known before
            rows, memory = self._carried
            columns.critic_memory[: len(rows)] = memory[rows]
        columns = columns.copy()
        rows, moved = self._carry_over()
        self._carried = np.sort(rows), columns.critic_memory

        def update() -> None:
            twin.learn_from(columns)
            twin.episode_sums.keep(rows, moved)

        return update

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
                for tag, value in signal.update(columns).items():
                    self.metrics.add(tag, value)
        if self.policy.normalizer is not None:
            self._update_normalizer(self.policy.normalizer, columns)

    def _carry_over(self) -> tuple[np.ndarray, np.ndarray]:
        """Drop all rows but those of living agents whose decisions have no reward yet.

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
