"""Soft actor-critic: learns from a replay buffer a policy that earns much and stays as random as it can.

Source: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications". There is no network of state values; the
target is that of two action values and the entropy.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor, nn

from trainers.algorithms.off_policy import OffPolicyLearner
from trainers.config import BehaviorSettings, SACSettings
from trainers.experience.rows import Transitions
from trainers.experience.task import Task
from trainers.maths.soft_values import entropies, entropy_targets, soft_value, taken_value
from trainers.networks.memory import Sequences
from trainers.networks.soft_actor_critic import SoftActorCritic
from trainers.networks.squashed import SquashedDistribution
from trainers.networks.twin_critic import TwinCritic, frozen
from trainers.optim.optimizer import FlatAdam


@dataclass(frozen=True)
class Seen:
    """What networks see of n transitions.

    Attributes:
        inputs: what the critic takes of the observations (see `TwinCritic.forward`).
        still: the same, without gradients of the critic's memory.
        distribution: of actions at the observations.
        following: what the target critic takes of the next observations.
        next_distribution: of actions at the next observations.
    """

    inputs: Sequence[Tensor] | Tensor
    still: Sequence[Tensor] | Tensor
    distribution: SquashedDistribution
    following: Sequence[Tensor] | Tensor
    next_distribution: SquashedDistribution


class SAC(OffPolicyLearner):
    """Learns a stochastic policy of continuous actions, of branches, or of both.

    Attributes:
        log_coefficients: (parts,) logarithms of the entropy coefficients: one for all continuous actions together, then
            one for each branch.
    """

    settings_class = SACSettings
    network_class = SoftActorCritic
    hyper: SACSettings
    policy: SoftActorCritic
    target: TwinCritic

    def __init__(self, task: Task) -> None:
        actions, hyper = task.spec.action_spec, task.settings.hyperparameters
        assert isinstance(hyper, SACSettings)
        targets = entropy_targets(actions.continuous_size, actions.discrete_branches)
        self.entropy_targets = targets.to(task.device)
        initial = math.log(hyper.init_entcoef)
        self.log_coefficients = nn.Parameter(torch.full_like(self.entropy_targets, initial))
        # The value of a branch is the mean over branches, and so is their bonus.
        weights = torch.full_like(self.entropy_targets, 1.0 / max(1, len(actions.discrete_branches)))
        weights[: 1 if actions.continuous_size else 0] = 1.0
        self._bonus_weights = weights
        super().__init__(task)

    @classmethod
    def make_network(cls, spec: BehaviorSpec, settings: BehaviorSettings) -> SoftActorCritic:
        """See `Learner.make_network`."""
        return SoftActorCritic(spec, settings.network_settings, len(settings.reward_signals.active()))

    def make_target(self) -> TwinCritic:
        """See `OffPolicyLearner.make_target`; a copy of the two critics."""
        return copy.deepcopy(self.policy.critic)

    def make_optimizer(self) -> None:
        """See `OffPolicyLearner.make_optimizer`."""
        critic = list(self.policy.critic.parameters())
        actor = [
            parameter for name, parameter in self.policy.named_parameters() if not name.startswith("critic.")
        ]
        groups = [critic, actor, [self.log_coefficients]]
        rates = [self.hyper.learning_rate] * len(groups)
        self.optimizer = FlatAdam(groups, rates, self.hyper, self.settings.max_steps, self.task.collective)

    def learn(self, transitions: Transitions) -> dict[str, Tensor]:
        """See `OffPolicyLearner.learn`."""
        policy, branches = self.policy, self.policy.action_spec.discrete_branches
        seen = self._see(transitions) if transitions.lengths is None else self._see_sequences(transitions)
        distribution, coefficients = seen.distribution, self.log_coefficients.detach().exp()
        with torch.no_grad():
            beyond, _ = self._value(self.target, seen.following, seen.next_distribution, coefficients)
            target = self.tensor(transitions.reward) + self.tensor(transitions.discount) * beyond

        values = policy.values(policy.critic, seen.inputs, self.tensor(transitions.continuous))
        errors = taken_value(values, self.tensor(transitions.discrete), branches) - target
        value_losses = 0.5 * errors.square().mean((1, 2))
        with frozen(policy.critic):
            value, entropy = self._value(policy.critic, seen.still, distribution, coefficients)
        policy_loss = -value.mean()
        surplus = entropy.detach().mean(0) - self.entropy_targets
        norm = self.optimizer.descend(value_losses.sum() + policy_loss + self.log_coefficients @ surplus)
        return {
            "Losses/Policy Loss": policy_loss.detach(),
            "Losses/Value Loss": value_losses.detach().mean(),
            "Losses/Q1 Loss": value_losses[0].detach(),
            "Losses/Q2 Loss": value_losses[1].detach(),
            "Losses/Gradient Norm": norm,
            "Policy/Entropy": distribution.entropy().detach().mean(),
            **self._coefficient_tags(coefficients),
            **{
                f"Policy/{signal.title} Value": column.mean()
                for signal, column in zip(self.signals, value.detach().unbind(1), strict=True)
            },
        }

    def _see(self, transitions: Transitions) -> Seen:
        """Return what networks without memory see."""
        policy = self.policy
        inputs, following = map(policy.upload, (transitions.observations, transitions.next_observations))
        with torch.no_grad():
            then = policy.distribution(following, policy.upload_mask(transitions.next_forbidden))
        now = policy.distribution(inputs, policy.upload_mask(transitions.forbidden))
        return Seen(inputs, inputs, now, following, then)

    def _see_sequences(self, transitions: Transitions) -> Seen:
        """Return what networks with memory see along sequences, each of which ends with one more observation."""
        lengths, memory, policy = transitions.lengths, transitions.memory, self.policy
        assert lengths is not None
        assert memory is not None
        count, ends = lengths.sum(), lengths.cumsum()
        # Numbers below `count` are those of observations, the others those of next observations.
        order = np.insert(np.arange(count), ends, count + ends - 1)
        pairs = zip(transitions.observations, transitions.next_observations, strict=True)
        inputs = policy.upload([np.concatenate(pair)[order] for pair in pairs])
        mask = None
        if transitions.forbidden is not None and transitions.next_forbidden is not None:
            both = np.concatenate([transitions.forbidden, transitions.next_forbidden])
            mask = policy.upload_mask(both[order])
        start = self.tensor(memory)
        sequences = Sequences(torch.from_numpy(lengths + 1), start, start[:, None])
        rows = self.tensor(np.arange(count) + np.repeat(np.arange(len(lengths)), lengths))
        with torch.no_grad():
            following = self.target.remember(inputs, sequences)[:, rows + 1]
        remembered = policy.critic.remember(inputs, sequences)[:, rows]
        distribution = policy.distribution(inputs, mask, sequences)
        now, then = distribution.at(rows), distribution.at(rows + 1)
        return Seen(remembered, remembered.detach(), now, following, then)

    def _value(
        self,
        critic: nn.Module,
        inputs: Sequence[Tensor] | Tensor,
        distribution: SquashedDistribution,
        coefficients: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return values of observations by the lower of both critics, (n, streams), and entropies, (n, parts)."""
        action, density = distribution.draw(self.generator)
        entropy = entropies(distribution.log_probs, density if action.shape[1] else None)
        values = self.policy.values(critic, inputs, action).amin(0)
        bonus = entropy @ (coefficients * self._bonus_weights)
        return soft_value(values, distribution.log_probs, bonus), entropy

    def _coefficient_tags(self, coefficients: Tensor) -> dict[str, Tensor]:
        continuous = 1 if self.policy.action_spec.continuous_size else 0
        tags = {"Policy/Continuous Entropy Coeff": coefficients[0]} if continuous else {}
        if len(coefficients) > continuous:
            tags["Policy/Discrete Entropy Coeff"] = coefficients[continuous:].mean()
        return tags

    def state_dict(self) -> dict[str, Any]:
        """See `Learner.state_dict`."""
        return {**super().state_dict(), "log_coefficients": self.log_coefficients.detach().clone()}

    def load_state_dict(self, state: dict[str, Any], only_weights: bool = False) -> None:
        """See `Learner.load_state_dict`."""
        super().load_state_dict(state, only_weights)
        if not only_weights:
            with torch.no_grad():
                self.log_coefficients.copy_(state["log_coefficients"])
