"""What PPO, A2C, POCA and MAPPO share: how a rollout is learned from, in epochs of minibatches."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor

from trainers.algorithms.actor_steps import ActorStep, Losses
from trainers.algorithms.advantages import batch_of, standardised_in_parts, values_of
from trainers.algorithms.gradient_steps import FIGURES, KL, GradientSteps
from trainers.algorithms.rollout_learner import RolloutLearner
from trainers.config import ActorCriticSettings, BehaviorSettings, OnPolicySettings
from trainers.experience.agents import AgentBatch
from trainers.experience.batch import Batch
from trainers.experience.rollout import Columns
from trainers.experience.sequences import Chains, chains_of
from trainers.experience.task import Task
from trainers.maths.returns import gae
from trainers.maths.schedules import BETA_FLOOR, linear
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.distributions import ActionDistribution
from trainers.networks.policy_network import ActionSample
from trainers.optim.captured import recorded
from trainers.optim.collective import standardised, weighted_mean
from trainers.optim.numpy_path import NumpyPath, find_gradients, find_path, has_gradient, is_small
from trainers.optim.optimizer import FlatAdam, flatten
from trainers.optim.threads import is_short


class OnPolicyLearner(RolloutLearner):
    """Learns an actor and a critic from a rollout, in epochs of minibatches.

    A subclass says how the actor moves (`make_actor_step`) and what the losses are (`losses`).
    """

    network_class: ClassVar[type[ActorCritic]] = ActorCritic
    figures: tuple[str, ...] = FIGURES
    hyper: OnPolicySettings
    policy: ActorCritic

    def __init__(self, task: Task) -> None:
        super().__init__(task)
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
        self.gamma = np.array([signal.gamma for signal in self.signals], np.float32)
        self.beyond_the_end = np.array([signal.beyond_the_end for signal in self.signals])

    @classmethod
    def make_network(cls, spec: BehaviorSpec, settings: BehaviorSettings) -> ActorCritic:
        """See `Learner.make_network`."""
        hyper, streams = settings.hyperparameters, len(settings.reward_signals.active())
        shared_critic = isinstance(hyper, ActorCriticSettings) and hyper.shared_critic
        return cls.network_class(spec, settings.network_settings, shared_critic, streams)

    @abstractmethod
    def make_actor_step(self) -> ActorStep:
        """Return how the actor moves in an update."""

    @abstractmethod
    def losses(self) -> Losses:
        """Return the losses at the present step."""

    def choose(self, batch: AgentBatch) -> ActionSample:
        """See `Mind.choose`. Short passes take the numpy path, if there is one."""
        path = self.numpy_path if self.acting is self.policy else self._acting_path
        if path is None or not is_short(len(batch), self.parameters):
            return super().choose(batch)
        known = batch.observations, batch.forbidden, self.deterministic, self.acting_generator, batch.memory
        return path.choose(*known, self.noise_after(batch))

    def act_apart(self) -> None:
        """See `Learner.act_apart`."""
        super().act_apart()
        if self.numpy_path is not None:
            assert isinstance(self.acting, ActorCritic)
            flatten(self.acting.parameter_groups())
            self._acting_path = find_path(self.acting)

    def load_state_dict(self, state: dict[str, Any], only_weights: bool = False) -> None:
        """See `Learner.load_state_dict`. With only the weights, a scheduled deviation begins anew."""
        super().load_state_dict(state, only_weights)
        if only_weights:
            self._follow_log_std_schedule()

    def optimise(self, columns: Columns) -> None:
        """Train for some epochs on the rollout; fewer if the policy moves further than `target_kl` allows."""
        inputs = self.policy.upload(columns.observations)
        batch = self.prepare(columns, inputs)
        start = batch.value
        self.report_values(batch)
        self.optimizer.set_learning_rate(self.step)
        beta = self.decayed(self.hyper.beta, BETA_FLOOR, self.hyper.beta_schedule)
        losses, actor = self.losses(), self.actor_step
        actor.move(self.policy, self.optimizer, losses, batch, beta, self.weight)
        figures: list[Tensor] = []
        descend = recorded(partial(self.descend, losses=losses, beta=beta), self.recorder)
        for number in range(actor.passes):
            if number and actor.fresh_targets:
                batch = replace(self.prepare(columns, inputs), value=start)
            epoch = list(self._epoch(batch, losses, beta, descend))
            figures += epoch
            if self._diverged(epoch):
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

    def _epoch(
        self, batch: Batch, losses: Losses, beta: float, descend: Callable[[Batch], Tensor]
    ) -> Iterator[Tensor]:
        """Yield what `descend` returns for each minibatch of one epoch; small networks take the numpy path."""
        shuffled, parts = self.minibatches(batch)
        if self.hyper.normalize_advantage == "minibatch":
            shuffled = standardised_in_parts(shuffled, parts, self.collective)
        path = self.numpy_path if has_gradient(self.policy) else None
        gradients = find_gradients(losses.policy, losses.value)
        if path is None or gradients is None or not is_small(self.parameters, parts[0].stop):
            return (descend(shuffled[part]) for part in parts)
        arrays = shuffled.numpy()
        in_numpy = self.gradient_steps.descend_in_numpy
        return (in_numpy(path, arrays[part], losses, gradients, beta) for part in parts)

    def _diverged(self, epoch: list[Tensor]) -> bool:
        """Whether the policy moved too far in an epoch. An adaptive learning rate is adapted instead.

        Args:
            epoch: what `descend` returned for each of its minibatches.
        """
        target = self.hyper.target_kl
        if target is None:
            return False
        kl = torch.stack(epoch)[:, KL].mean()
        divergence = float(weighted_mean(self.collective, kl, self.optimizer.weight))
        if self.hyper.learning_rate_schedule == "adaptive":
            self.optimizer.adapt(divergence, target)
            return False
        return bool(divergence > 1.5 * target)

    def _follow_log_std_schedule(self) -> None:
        """Set the log standard deviation to its present scheduled value (extension key `final_log_std`)."""
        network = self.settings.network_settings
        if network.final_log_std is not None:
            value = linear(network.initial_log_std, network.final_log_std, self.step, self.settings.max_steps)
            self.policy.log_std.fill_(value)
