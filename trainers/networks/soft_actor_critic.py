"""The network of SAC: maps observations to a squashed action distribution, and with actions to values."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple, BehaviorSpec
from torch import Tensor, nn

from trainers.config import NetworkSettings
from trainers.networks.body import Body
from trainers.networks.distributions import branch_log_probs
from trainers.networks.exported import ExportedActions, discrete_actions
from trainers.networks.layers import head_layer
from trainers.networks.policy_network import ActionSample, PolicyNetwork
from trainers.networks.squashed import SquashedDistribution
from trainers.networks.twin_critic import TwinCritic

LOG_STD_RANGE = (-20.0, 2.0)
"""Log standard deviations are clamped to this range, as in ML-Agents."""


class SoftActorCritic(PolicyNetwork):
    """An actor and two critics over all observations of a behavior, which share nothing.

    Source: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications".

    Args:
        spec: observations and actions of the behavior.
        settings: ML-Agents' `network_settings`.
        reward_streams: number of reward signals; the critics have values for each.
        critic_batch_norm: whether the critics have batch normalisation (extension key).

    Raises:
        UserError: an observation is of no known kind, or an image is too small.
    """

    gives_log_prob = False

    def __init__(
        self,
        spec: BehaviorSpec,
        settings: NetworkSettings,
        reward_streams: int = 1,
        critic_batch_norm: bool = False,
    ) -> None:
        super().__init__(spec, settings)
        self.reward_streams, self.critic_batch_norm = reward_streams, critic_batch_norm
        continuous, choices = spec.action_spec.continuous_size, sum(spec.action_spec.discrete_branches)
        self.actor = self.make_body(settings.hidden_units)
        width = self.actor.output_size
        self.mean_head = head_layer(width, continuous, settings, 0.2, 0.01) if continuous else None
        self.log_std_head = head_layer(width, continuous, settings, 0.2, 0.01) if continuous else None
        self.logits_head = head_layer(width, choices, settings, 0.1, 0.01) if choices else None
        self.choices = max(1, choices)
        goals = self.goal_spans(self._critic_units)
        outputs = reward_streams * self.choices
        self.critic = TwinCritic(self._make_encoder, continuous, outputs, settings, goals, critic_batch_norm)

    @classmethod
    def build(cls, spec: BehaviorSpec, description: dict[str, Any]) -> Self:
        """See `PolicyNetwork.build`."""
        settings = NetworkSettings.model_validate(description["network_settings"])
        return cls(spec, settings, description["reward_streams"], description.get("critic_batch_norm", False))

    def description(self) -> dict[str, Any]:
        """See `PolicyNetwork.description`."""
        own = {"reward_streams": self.reward_streams, "critic_batch_norm": self.critic_batch_norm}
        return {**super().description(), **own}

    def distribution(self, inputs: Sequence[Tensor], forbidden: Tensor | None) -> SquashedDistribution:
        """See `PolicyNetwork.distribution`."""
        features = self.actor(inputs)
        mean = log_std = features[:, :0]
        if self.mean_head is not None and self.log_std_head is not None:
            mean, log_std = self.mean_head(features), self.log_std_head(features).clamp(*LOG_STD_RANGE)
        branches: tuple[Tensor, ...] = ()
        if self.logits_head is not None:
            branches = branch_log_probs(
                self.logits_head(features), self.action_spec.discrete_branches, forbidden
            )
        return SquashedDistribution(mean, log_std, branches)

    def values(self, critic: nn.Module, inputs: Sequence[Tensor], action: Tensor) -> Tensor:
        """Return the values of both networks of a critic, (2, n, streams, choices).

        There is one choice without discrete actions, else one for each entry of all branches.

        Args:
            critic: this network's own, or its target.
            inputs: what `prepare` returned.
            action: (n, size) continuous actions.
        """
        values: Tensor = critic(inputs, action)
        return values.unflatten(2, (self.reward_streams, self.choices))

    def to_environment(self, sample: ActionSample) -> ActionTuple:
        """See `PolicyNetwork.to_environment`. Continuous actions are squashed already."""
        return ActionTuple(continuous=sample.continuous, discrete=sample.discrete.astype(np.int32))

    def exported_actions(self, inputs: Sequence[Tensor], forbidden: Tensor | None) -> ExportedActions:
        """See `PolicyNetwork.exported_actions`."""
        distribution = self.distribution(inputs, forbidden)
        continuous = None
        if self.mean_head is not None:
            mean = distribution.mean
            sample = mean + torch.randn_like(mean) * distribution.log_std.exp()
            continuous = (sample.tanh(), mean.tanh())
        return ExportedActions(continuous, discrete_actions(distribution.log_probs))

    def trial_loss(self, inputs: Sequence[Tensor]) -> Tensor:
        """See `PolicyNetwork.trial_loss`."""
        distribution = self.distribution(inputs, None)
        action, density = distribution.draw()
        values = self.values(self.critic, inputs, action)
        total: Tensor = values.square().mean() + density.mean() + distribution.entropy().mean()
        return total

    @property
    def _critic_units(self) -> int:
        return self.settings.critic_hidden_units or self.settings.hidden_units

    def _make_encoder(self) -> Body:
        return self.make_body(self._critic_units, num_layers=0)
