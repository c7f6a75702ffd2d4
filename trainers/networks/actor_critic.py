"""The actor-critic network: maps observations to an action distribution and to values."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple, BehaviorSpec
from torch import Tensor, nn

from trainers.config import NetworkSettings
from trainers.networks.actor_network import ActorNetwork
from trainers.networks.distributions import ActionDistribution
from trainers.networks.layers import VALUE_GAIN, head_layer
from trainers.networks.memory import Sequences
from trainers.networks.policy_network import ActionSample

ACTION_LIMIT = 3.0
"""Continuous actions are clipped to [-3, 3] and divided by 3, as in ML-Agents' PPO."""


class ActorCritic(ActorNetwork[ActionDistribution]):
    """An actor and a critic over all observations of a behavior.

    Continuous actions are Gaussian, and their standard deviation does not depend on the observation. Every discrete
    branch is categorical. With the ML-Agents key `memory`, actor and critic each have an LSTM after the hidden layers,
    or one together with `shared_critic`.

    Args:
        spec: observations and actions of the behavior.
        settings: ML-Agents' `network_settings`.
        shared_critic: whether actor and critic share encoders and hidden layers (ML-Agents key).
        reward_streams: number of reward signals; the critic has one output for each.

    Raises:
        UserError: an observation is neither a vector nor an image nor a list of entities, or an image is too small.
    """

    action_limit = ACTION_LIMIT

    def __init__(
        self,
        spec: BehaviorSpec,
        settings: NetworkSettings,
        shared_critic: bool = False,
        reward_streams: int = 1,
    ) -> None:
        super().__init__(spec, settings)
        self.actor = self.make_body(settings.hidden_units)
        self.critic = self.actor if shared_critic else self.make_critic()
        self.actor_memory = self.make_memory(self.actor.output_size)
        self.critic_memory = self.actor_memory if shared_critic else self.make_memory(self.critic.output_size)
        actor_size, critic_size = (
            body.output_size if memory is None else memory.output_size
            for body, memory in ((self.actor, self.actor_memory), (self.critic, self.critic_memory))
        )
        continuous, branches = spec.action_spec.continuous_size, spec.action_spec.discrete_branches
        self.mean_head = head_layer(actor_size, continuous, settings, 0.2, 0.01) if continuous else None
        self.log_std = nn.Parameter(
            torch.full((continuous,), settings.initial_log_std), requires_grad=settings.final_log_std is None
        )
        self.logits_head = head_layer(actor_size, sum(branches), settings, 0.1, 0.01) if branches else None
        self.value_head = head_layer(critic_size, reward_streams, settings, VALUE_GAIN, 1.0)

    def make_critic(self) -> Any:
        """Return the body of the critic."""
        return self.make_body(self.settings.critic_units)

    @classmethod
    def build(cls, spec: BehaviorSpec, description: dict[str, Any]) -> Self:
        """See `PolicyNetwork.build`. A description without `reward_streams` means one stream."""
        settings = NetworkSettings.model_validate(description["network_settings"])
        return cls(spec, settings, description["shared_critic"], description.get("reward_streams", 1))

    def description(self) -> dict[str, Any]:
        """See `PolicyNetwork.description`."""
        shared = self.critic is self.actor
        return {
            **super().description(),
            "shared_critic": shared,
            "reward_streams": self.value_head.out_features,
        }

    @property
    def critic_memories(self) -> int:
        """Number of the critic's own memories of an agent; 0 if it shares the actor's, or without memory."""
        return int(self.critic_memory is not self.actor_memory)

    def value_dimensions(self) -> dict[str, int]:
        """See `PolicyNetwork.value_dimensions`."""
        return {"value_head.weight": 0, "value_head.bias": 0}

    def forward(
        self, inputs: Sequence[Tensor], forbidden: Tensor | None, sequences: Sequences | None = None
    ) -> tuple[ActionDistribution, Tensor]:
        """Return the action distribution and the values (n, streams) of prepared inputs.

        Args:
            inputs: what `prepare` returned.
            forbidden: see `ActorNetwork.distribution`.
            sequences: see there.
        """
        features = self.recalled(self.actor(inputs), sequences)
        if self.critic is self.actor:
            return self.distribution_of(features, forbidden), self.value_head(features)
        critic_features = self.recalled_by_critic(self.critic(inputs), sequences)
        return self.distribution_of(features, forbidden), self.value_head(critic_features)

    def recalled_by_critic(self, features: Tensor, sequences: Sequences | None, number: int = 0) -> Tensor:
        """Return the critic's features of rows, after its memory of that number if it has one of its own."""
        if self.critic_memory is None:
            return features
        if sequences is None:
            return self.critic_memory.from_nothing(features)
        return self.critic_memory.over(features, sequences.critic_memory[:, number], sequences)

    def value(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the values of prepared inputs, (n, streams); with memory, those at the start of an episode."""
        result: Tensor = self.value_head(self.recalled_by_critic(self.critic(inputs), None))
        return result

    def to_environment(self, sample: ActionSample) -> ActionTuple:
        """See `PolicyNetwork.to_environment`. A continuous action a becomes clamp(a, -3, 3) / 3."""
        return ActionTuple(
            continuous=np.clip(sample.continuous, -ACTION_LIMIT, ACTION_LIMIT) / np.float32(ACTION_LIMIT),
            discrete=sample.discrete.astype(np.int32),
        )

    def bounded(self, samples: Tensor) -> Tensor:
        """See `ActorNetwork.bounded`; clamp(a, -3, 3) / 3."""
        return samples.clamp(-ACTION_LIMIT, ACTION_LIMIT) / ACTION_LIMIT

    @torch.no_grad()
    def set_deviation(self, deviation: Tensor) -> None:
        """See `PolicyNetwork.set_deviation`. One that follows a schedule is left as it is."""
        if self.log_std.requires_grad:
            self.log_std.copy_(deviation.log())

    def trial_loss(self, inputs: Sequence[Tensor]) -> Tensor:
        """See `PolicyNetwork.trial_loss`."""
        distribution, value = self(inputs, None, self.trial_sequences(len(inputs[0])))
        total: Tensor = (
            value.square().mean() + distribution.entropy().mean() + distribution.mean.square().sum()
        )
        return total

    def parameter_groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Return the learned parameters of the actor and those of the critic.

        Parameters that both share belong to the actor.
        """
        critic = set(self.value_head.parameters())
        if self.critic is not self.actor:
            critic |= set(self.critic.parameters())
            if self.critic_memory is not None:
                critic |= set(self.critic_memory.parameters())
        learned = [
            parameter for parameter in self.parameters() if parameter.numel() and parameter.requires_grad
        ]
        actor = [parameter for parameter in learned if parameter not in critic]
        return actor, [parameter for parameter in learned if parameter in critic]

    def distribution_of(self, features: Tensor, forbidden: Tensor | None) -> ActionDistribution:
        """See `ActorNetwork.distribution_of`."""
        mean = features[:, :0] if self.mean_head is None else self.mean_head(features)
        return ActionDistribution(mean, self.log_std, self.branches_of(features, forbidden))
