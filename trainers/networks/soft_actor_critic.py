"""The network of SAC: maps observations to a squashed action distribution, and with actions to values."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from mlagents_envs.base_env import ActionTuple, BehaviorSpec
from torch import Tensor, nn

from trainers.config import NetworkSettings
from trainers.networks.actor_network import ActorNetwork
from trainers.networks.body import Body
from trainers.networks.layers import head_layer
from trainers.networks.policy_network import ActionSample
from trainers.networks.squashed import SquashedDistribution
from trainers.networks.twin_critic import TwinCritic
from trainers.networks.value_head import value_head

LOG_STD_RANGE = (-20.0, 2.0)
"""Log standard deviations are clamped to this range, as in ML-Agents."""


class SoftActorCritic(ActorNetwork[SquashedDistribution]):
    """An actor and two critics over all observations of a behavior, which share nothing.

    Source: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications".

    Args:
        spec: observations and actions of the behavior.
        settings: ML-Agents' `network_settings`.
        reward_streams: number of reward signals; the critics have values for each.
        critic_batch_norm: whether the critics have batch normalisation (extension key).
        critic_range: end of the range of the critics' bins (extension key); None means that they give numbers.
        critic_bins: number of bins, which a range needs (extension key).

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
        critic_range: float | None = None,
        critic_bins: int = 1,
    ) -> None:
        super().__init__(spec, settings)
        self._critic_keys = {
            "reward_streams": reward_streams,
            "critic_batch_norm": critic_batch_norm,
            "critic_range": critic_range,
            "critic_bins": critic_bins,
        }
        self.reward_streams, self.value_head = reward_streams, value_head(critic_bins, critic_range)
        continuous, choices = spec.action_spec.continuous_size, sum(spec.action_spec.discrete_branches)
        self.actor = self.make_body(settings.hidden_units)
        self.actor_memory = self.make_memory(self.actor.output_size)
        width = self.actor.output_size if self.actor_memory is None else self.actor_memory.output_size
        self.mean_head = head_layer(width, continuous, settings, 0.2, 0.01) if continuous else None
        self.log_std_head = head_layer(width, continuous, settings, 0.2, 0.01) if continuous else None
        self.logits_head = head_layer(width, choices, settings, 0.1, 0.01) if choices else None
        self.choices = max(1, choices)
        outputs = reward_streams * self.value_head.size * self.choices
        goals = self.goal_spans(settings.critic_units)
        self.critic = TwinCritic(
            self._make_encoder, continuous, outputs, settings, self.make_memory, goals, critic_batch_norm
        )

    @classmethod
    def build(cls, spec: BehaviorSpec, description: dict[str, Any]) -> Self:
        """See `PolicyNetwork.build`."""
        settings = NetworkSettings.model_validate(description["network_settings"])
        keys = ("reward_streams", "critic_batch_norm", "critic_range", "critic_bins")
        return cls(spec, settings, **{key: description[key] for key in keys if key in description})

    def description(self) -> dict[str, Any]:
        """See `PolicyNetwork.description`."""
        return {**super().description(), **self._critic_keys}

    def value_dimensions(self) -> dict[str, int]:
        """See `PolicyNetwork.value_dimensions`."""
        last = {id(parameter) for parameter in self.critic.value_layer.parameters()}
        return {name: 2 for name, parameter in self.named_parameters() if id(parameter) in last}

    def outputs(self, critic: nn.Module, inputs: Sequence[Tensor] | Tensor, action: Tensor) -> Tensor:
        """Return the outputs of both networks of a critic, (2, n, streams, size, choices), for `value_head`.

        There is one choice without discrete actions, else one for each entry of all branches.

        Args:
            critic: this network's own, or its target.
            inputs: see `TwinCritic.forward`.
            action: (n, action_size) continuous actions.
        """
        outputs: Tensor = critic(inputs, action)
        return outputs.unflatten(2, (self.reward_streams, self.value_head.size, self.choices))

    def values(self, critic: nn.Module, inputs: Sequence[Tensor] | Tensor, action: Tensor) -> Tensor:
        """Return the values of both networks of a critic, (2, n, streams, choices); see `outputs`."""
        return self.value_head.values(self.outputs(critic, inputs, action))

    def to_environment(self, sample: ActionSample) -> ActionTuple:
        """See `PolicyNetwork.to_environment`. Continuous actions are squashed already."""
        return ActionTuple(continuous=sample.continuous, discrete=sample.discrete.astype(np.int32))

    def bounded(self, samples: Tensor) -> Tensor:
        """See `ActorNetwork.bounded`; the tanh."""
        return samples.tanh()

    def trial_loss(self, inputs: Sequence[Tensor]) -> Tensor:
        """See `PolicyNetwork.trial_loss`."""
        sequences = self.trial_sequences(len(inputs[0]))
        seen = inputs if sequences is None else self.critic.remember(inputs, sequences)
        distribution = self.distribution(inputs, None, sequences)
        action, density = distribution.draw()
        values = self.values(self.critic, seen, action)
        total: Tensor = values.square().mean() + density.mean() + distribution.entropy().mean()
        return total

    def _make_encoder(self) -> Body:
        return self.make_body(self.settings.critic_units, num_layers=0)

    def distribution_of(self, features: Tensor, forbidden: Tensor | None) -> SquashedDistribution:
        """See `ActorNetwork.distribution_of`."""
        mean = log_std = features[:, :0]
        if self.mean_head is not None and self.log_std_head is not None:
            mean, log_std = self.mean_head(features), self.log_std_head(features).clamp(*LOG_STD_RANGE)
        return SquashedDistribution(mean, log_std, self.branches_of(features, forbidden))
