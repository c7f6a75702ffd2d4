"""Soft actor-critic: learns from a replay buffer a policy that earns much and stays as random as it can.

Source: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications". There is no network of state values; the
target is that of two action values and the entropy.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

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
        distribution: of actions at the observations; only the actor's loss needs it.
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
    network_class: ClassVar[type[SoftActorCritic]] = SoftActorCritic
    actor_group = 1
    recordable = True
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
        hyper = settings.hyperparameters
        assert isinstance(hyper, SACSettings)
        streams = len(settings.reward_signals.active())
        return cls.network_class(
            spec,
            settings.network_settings,
            streams,
            hyper.critic_batch_norm,
            hyper.critic_range,
            hyper.critic_bins,
        )

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
        self.optimizer = FlatAdam(groups, rates, self.hyper, self.settings.max_steps, self.collective)

    @property
    def form(self) -> bool:
        """See `OffPolicyLearner.form`; whether the actor and the entropy coefficients move.

        They move in every `actor_interval`-th update only (extension key).
        """
        return self.updates % self.hyper.actor_interval == 0

    def learn(self, transitions: Transitions) -> dict[str, Tensor]:
        """See `OffPolicyLearner.learn`."""
        branches, head = self.policy.action_spec.discrete_branches, self.policy.value_head
        moves_actor = self.form
        see = self._see if transitions.lengths is None else self._see_sequences
        seen = see(transitions, moves_actor)
        coefficients = self.log_coefficients.detach().exp()
        with torch.no_grad():
            next_action, next_entropy = self._draw_actions(seen.next_distribution)
        outputs, beyond = self.both_outputs(
            seen.inputs, self.tensor(transitions.continuous), seen.following, next_action
        )
        with torch.no_grad():  # along sequences, the next distribution has gradients
            soft = self._soft_value(head.values(beyond), seen.next_distribution, next_entropy, coefficients)
            target = self.tensor(transitions.reward) + self.tensor(transitions.discount) * soft
        scores = taken_value(head.scores(outputs), self.tensor(transitions.discrete), branches)
        value_losses = head.losses(scores, target).mean((1, 2))
        loss = value_losses.sum()
        figures: dict[str, Tensor] = {}
        if moves_actor:
            actor_loss, figures = self._actor_loss(seen, coefficients)
            loss = loss + actor_loss
        norm = self.optimizer.descend(loss, None if moves_actor else 1)
        return {
            "Losses/Value Loss": value_losses.detach().mean(),
            "Losses/Q1 Loss": value_losses[0].detach(),
            "Losses/Q2 Loss": value_losses[1].detach(),
            "Losses/Gradient Norm": norm,
            **figures,
        }

    def _actor_loss(self, seen: Seen, coefficients: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of the actor and of the entropy coefficients, and scalars by TensorBoard tag."""
        policy, distribution = self.policy, seen.distribution
        with frozen(policy.critic):
            action, entropy = self._draw_actions(distribution)
            values = policy.values(policy.critic, seen.still, action)
            value = self._soft_value(values, distribution, entropy, coefficients)
        policy_loss = -value.mean()
        surplus = entropy.detach().mean(0) - self.entropy_targets
        figures = {
            "Losses/Policy Loss": policy_loss.detach(),
            "Policy/Entropy": distribution.entropy().detach().mean(),
            **self._deviation_tag(distribution),
            **self._coefficient_tags(coefficients),
            **{
                f"Policy/{signal.title} Value": column.mean()
                for signal, column in zip(self.signals, value.detach().unbind(1), strict=True)
            },
        }
        return policy_loss + self.log_coefficients @ surplus, figures

    def _see(self, transitions: Transitions, moves_actor: bool) -> Seen:
        """Return what networks without memory see."""
        policy = self.policy
        inputs, following = map(policy.upload, (transitions.observations, transitions.next_observations))
        with torch.no_grad():
            then = policy.distribution(following, policy.upload_mask(transitions.next_forbidden))
        now = then
        if moves_actor:
            now = policy.distribution(inputs, policy.upload_mask(transitions.forbidden))
        return Seen(inputs, inputs, now, following, then)

    def _see_sequences(self, transitions: Transitions, moves_actor: bool) -> Seen:
        """Return what networks with memory see along sequences, each of which ends with one more observation.

        One pass gives both distributions, whether or not the actor moves.
        """
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

    def both_outputs(
        self,
        inputs: Sequence[Tensor] | Tensor,
        action: Tensor,
        following: Sequence[Tensor] | Tensor,
        next_action: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return outputs of the critics for actions, and of the target for next actions.

        With batch normalisation, both come from one pass, so that they are normalised by the same moments.
        Source: Bhatt et al. 2024, "CrossQ", section 3.

        Returns:
            Two tensors, (2, n, streams, size, choices); see `SoftActorCritic.outputs`.
        """
        policy = self.policy
        if not self.hyper.critic_batch_norm:
            with torch.no_grad():
                beyond = policy.outputs(self.target, following, next_action)
            return policy.outputs(policy.critic, inputs, action), beyond
        joint = tuple(torch.cat(pair) for pair in zip(inputs, following, strict=True))
        actions = torch.cat([action, next_action])
        outputs, beyond = policy.outputs(policy.critic.train(), joint, actions).chunk(2, dim=1)
        policy.critic.eval()
        if self.hyper.tau < 1.0:
            with torch.no_grad():
                beyond = policy.outputs(self.target.train(), joint, actions).chunk(2, dim=1)[1]
        return outputs, beyond.detach()

    def _draw_actions(self, distribution: SquashedDistribution) -> tuple[Tensor, Tensor]:
        """Return sampled continuous actions, (n, size), and entropies, (n, parts)."""
        action, density = distribution.draw(self.generator)
        return action, entropies(distribution.log_probs, density if action.shape[1] else None)

    def _soft_value(
        self, values: Tensor, distribution: SquashedDistribution, entropy: Tensor, coefficients: Tensor
    ) -> Tensor:
        """Return values of observations by the lower of both critics, (n, streams)."""
        bonus = entropy @ (coefficients * self._bonus_weights)
        return soft_value(values.amin(0), distribution.log_probs, bonus)

    def _deviation_tag(self, distribution: SquashedDistribution) -> dict[str, Tensor]:
        if not self.policy.action_spec.continuous_size:
            return {}
        return {"Policy/Action Deviation": distribution.log_std.detach().exp().mean()}

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
