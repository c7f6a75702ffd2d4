"""What PPO and A2C share: the flow of an update, in epochs of minibatches over one rollout."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor

from trainers.algorithms.actor_steps import ActorStep, Losses
from trainers.algorithms.advantages import batch_of, standardised_in_parts, values_of
from trainers.algorithms.gradient_steps import FIGURES, KL, GradientSteps
from trainers.algorithms.learner import Learner
from trainers.algorithms.threaded import Update
from trainers.config import BehaviorSettings
from trainers.experience.agents import AgentBatch
from trainers.experience.batch import Batch
from trainers.experience.rollout import Columns, Rollout
from trainers.experience.samplers import Sampler, divide, sampler_for
from trainers.experience.sequences import Chains, chains_of
from trainers.experience.store import NoStore, Store
from trainers.experience.task import Task
from trainers.maths.losses import explained_variance
from trainers.maths.returns import gae
from trainers.maths.schedules import BETA_FLOOR, linear
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.distributions import ActionDistribution
from trainers.networks.normalizer import VectorNormalizer
from trainers.networks.policy_network import ActionSample
from trainers.optim.collective import JointError, standardised, weighted_mean
from trainers.optim.numpy_path import NumpyPath, find_gradients, find_path, is_small
from trainers.optim.optimizer import FlatAdam, flatten
from trainers.optim.threads import is_short

WARM_UP = 0.1
"""The part of `buffer_size` from which a new normaliser gets its first moments."""
MOMENTS_CHUNK = 4096
"""Rows whose moments are computed at a time, which limits the size of their copies in float64."""


class OnPolicyLearner(Learner):
    """Learns one behavior from a rollout, and then drops the rollout.

    A subclass says how the actor moves (`make_actor_step`) and what the losses are (`losses`).
    """

    network_class = ActorCritic
    figures: tuple[str, ...] = FIGURES
    hyper: Any
    policy: ActorCritic

    def __init__(self, task: Task) -> None:
        self.hyper = task.settings.hyperparameters
        super().__init__(task)
        sizes = self.policy.memory_size, self.policy.critic_memories
        self.rollout = Rollout(task.spec, self.hyper.buffer_size + 64, *sizes)
        self.sampler: Sampler = sampler_for(task)
        self.actor_step = self.make_actor_step()
        rate = self.hyper.learning_rate
        rates = (None if self.actor_step.apart else rate, self.hyper.critic_learning_rate or rate)
        self.optimizer = FlatAdam(
            self.policy.parameter_groups(), rates, self.hyper, task.settings.max_steps, task.collective
        )
        self.gradient_steps = GradientSteps(
            self.optimizer, self.hyper.value_coefficient, self.actor_step.apart
        )
        self.make_cloning()
        self.numpy_path: NumpyPath | None = find_path(self.policy)
        self._acting_path: NumpyPath | None = None
        self._carried: tuple[np.ndarray, np.ndarray] | None = None
        self.gamma = np.array([signal.gamma for signal in self.signals], np.float32)
        self.beyond_the_end = np.array([signal.beyond_the_end for signal in self.signals])

    @classmethod
    def make_network(cls, spec: BehaviorSpec, settings: BehaviorSettings) -> ActorCritic:
        """See `Learner.make_network`."""
        hyper: Any = settings.hyperparameters
        streams = len(settings.reward_signals.active())
        return ActorCritic(spec, settings.network_settings, hyper.shared_critic, streams)

    @abstractmethod
    def make_actor_step(self) -> ActorStep:
        """Return how the actor moves in an update."""

    @abstractmethod
    def losses(self) -> Losses:
        """Return the losses at the present step."""

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

    def optimise(self, columns: Columns) -> None:
        """Train for some epochs on the rollout; fewer if the policy moves further than `target_kl` allows."""
        inputs = self.policy.upload(columns.observations)
        batch = self.prepare(columns, inputs)
        start = batch.value
        self._report_values(batch)
        self.optimizer.set_learning_rate(self.step)
        beta = self.decayed(self.hyper.beta, BETA_FLOOR, self.hyper.beta_schedule)
        losses, actor = self.losses(), self.actor_step
        actor.move(self.policy, self.optimizer, losses, batch, beta, self._weight)
        figures: list[Tensor] = []
        for number in range(actor.passes):
            if number and actor.fresh_targets:
                batch = replace(self.prepare(columns, inputs), value=start)
            epoch = list(self._epoch(batch, losses, beta))
            figures += epoch
            if self.hyper.target_kl is not None and self._diverged(torch.stack(epoch)[:, KL].mean()):
                break
        means = weighted_mean(self.collective, torch.stack(figures).mean(0), self.optimizer.weight)
        self.require_finite_weights()
        self._follow_log_std_schedule()
        for tag, value in zip(self.figures, means.tolist(), strict=True):
            if tag != "Policy/Clip Fraction" or losses.clip_range < math.inf:
                self.metrics.add(tag, value)
        if self.policy.log_std.numel():
            self.metrics.add("Policy/Action Deviation", float(self.policy.log_std.detach().exp().mean()))
        self.metrics.add("Policy/Learning Rate", self.optimizer.learning_rate)
        self.metrics.add("Policy/Beta", beta)

    def prepare(self, columns: Columns, inputs: tuple[Tensor, ...]) -> Batch:
        """Return all settled rows as tensors, with advantages and returns by the present critic.

        Args:
            columns: the rollout.
            inputs: its observations as prepared inputs of the network.
        """
        memory = self.settings.network_settings.memory
        chains = None if memory is None else chains_of(columns, memory.sequence_length)
        with torch.no_grad():
            values, baseline = self.values(columns, inputs, chains)
        advantage = gae(
            self.rewards(columns),
            values.cpu().numpy(),
            columns.next_row,
            self.endings(columns),
            columns.settled,
            columns.starts,
            self.gamma,
            self.hyper.lambd,
            self.beyond_the_end,
        )
        batch = batch_of(columns, inputs, chains, values, baseline, advantage)
        if self.hyper.normalize_advantage == "buffer":
            batch = replace(batch, advantage=standardised(batch.advantage, self.collective))
        return batch

    def values(
        self, columns: Columns, inputs: tuple[Tensor, ...], chains: Chains | None
    ) -> tuple[Tensor, Tensor]:
        """Return the values of all rows, (rows, streams), and the baselines of their advantages: the values again.

        Args:
            columns: the rollout.
            inputs: its observations as prepared inputs of the network.
            chains: its rows as sequences; None for a network without memory.
        """
        values = values_of(self.policy, columns, inputs, chains)
        return values, values

    def endings(self, columns: Columns) -> np.ndarray:
        """Return how the trajectory of each row continues, (rows,), an `Ending` each."""
        return columns.ending

    def evaluate(self, minibatch: Batch, losses: Losses) -> tuple[ActionDistribution, list[Tensor]]:
        """Return the action distribution of a minibatch, and the loss of its values.

        Further losses of the critic count half, and are figures of `descend`.
        """
        distribution, value = self.policy(minibatch.inputs, minibatch.forbidden, minibatch.sequences)
        return distribution, [losses.value(value, minibatch.returns, minibatch.value)]

    def descend(self, minibatch: Batch, losses: Losses, beta: float) -> Tensor:
        """Take one gradient step. See `GradientSteps.descend`; `figures` has the tags of what it returns."""
        distribution, critic_losses = self.evaluate(minibatch, losses)
        return self.gradient_steps.descend(distribution, critic_losses, minibatch, losses, beta)

    def _epoch(self, batch: Batch, losses: Losses, beta: float) -> Iterator[Tensor]:
        """Yield what `descend` returns for each minibatch of one epoch."""
        rows = np.array([len(batch)]) if self.rows is None else self.rows
        division = divide(rows, self.collective.rank, self.hyper.batch_size)
        self.optimizer.weight = division.weight
        shuffled, parts = self.sampler.draw(batch, division.size, self.generator)
        parts = parts[: int(self.collective.gather(np.array([len(parts)])).min())]  # as many on all ranks
        if self.hyper.normalize_advantage == "minibatch":
            shuffled = standardised_in_parts(shuffled, parts, self.collective)
        path, gradients = self.numpy_path, find_gradients(losses.policy, losses.value)
        if path is None or gradients is None or not is_small(self.parameters, division.size):
            return (self.descend(shuffled[part], losses, beta) for part in parts)
        arrays = shuffled.numpy()
        descend = self.gradient_steps.descend_in_numpy
        return (descend(path, arrays[part], losses, gradients, beta) for part in parts)

    def _diverged(self, kl: Tensor) -> bool:
        """Whether the policy moved too far in an epoch. An adaptive learning rate is adapted instead."""
        kl = weighted_mean(self.collective, kl, self.optimizer.weight)
        divergence, target = float(kl), self.hyper.target_kl
        if self.hyper.learning_rate_schedule == "adaptive":
            self.optimizer.adapt(divergence, target)
            return False
        return bool(divergence > 1.5 * target)

    @property
    def _weight(self) -> float:
        """This rank's part of the rollout."""
        return 1.0 if self.rows is None else float(self.rows[self.collective.rank] / self.rows.sum())

    def _report_values(self, batch: Batch) -> None:
        """Report the mean value of each signal, and how well the values explained the returns; before the update."""
        values, tags = [], []
        for index, signal in enumerate(self.signals):
            value = batch.value[:, index]
            values += [value.mean(), explained_variance(value, batch.returns[:, index])]
            tags += [f"Policy/{signal.title} Value Estimate", f"Policy/{signal.title} Explained Variance"]
        means = weighted_mean(self.collective, torch.stack(values), self._weight)
        for tag, mean in zip(tags, means.tolist(), strict=True):
            self.metrics.add(tag, mean)

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

    def _follow_log_std_schedule(self) -> None:
        """Set the log standard deviation to its present scheduled value (extension key `final_log_std`)."""
        network = self.settings.network_settings
        if network.final_log_std is not None:
            value = linear(network.initial_log_std, network.final_log_std, self.step, self.settings.max_steps)
            self.policy.log_std.fill_(value)

    def _update_normalizer(self, normalizer: VectorNormalizer, columns: Columns) -> None:
        """Add the settled rows to the moments of the observations."""
        settled = np.flatnonzero(columns.settled)
        for start in range(0, len(settled), MOMENTS_CHUNK):
            rows = settled[start : start + MOMENTS_CHUNK]
            vectors = [columns.observations[index][rows] for index in self.policy.vector_columns]
            self.observation_moments.update(np.concatenate(vectors, axis=1))
        self.observation_moments.share()
        normalizer.assign(self.observation_moments)
