"""An actor and its critic: from observations to actions and values."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple, BehaviorSpec
from torch import Tensor, nn

from trainers.config import NetworkSettings
from trainers.networks.distributions import ActionDistribution, branch_log_probs
from trainers.networks.exported import ExportedActions, sampled
from trainers.networks.layers import head_layer
from trainers.networks.policy_network import ActionSample, PolicyNetwork

ACTION_LIMIT = 3.0


class ActorCritic(PolicyNetwork):
    """Actor and critic over every observation of a behavior.

    Args:
        spec: observations and actions of the behavior.
        settings: ML-Agents' `network_settings`.
        shared_critic: actor and critic share encoders and hidden layers (ML-Agents key).
        reward_streams: number of values per observation, one for each reward signal.

    Raises:
        UserError: an observation is neither a vector nor an image nor a list of entities.
    """

    def __init__(
        self,
        spec: BehaviorSpec,
        settings: NetworkSettings,
        shared_critic: bool = False,
        reward_streams: int = 1,
    ) -> None:
        super().__init__(spec, settings)
        self.actor = self.make_body(settings.hidden_units)
        critic_units = settings.critic_hidden_units or settings.hidden_units
        self.critic = self.actor if shared_critic else self.make_body(critic_units)
        continuous, branches = spec.action_spec.continuous_size, spec.action_spec.discrete_branches
        self.mean_head = (
            head_layer(self.actor.output_size, continuous, settings, 0.2, 0.01) if continuous else None
        )
        self.log_std = nn.Parameter(
            torch.full((continuous,), settings.initial_log_std), requires_grad=settings.final_log_std is None
        )
        self.logits_head = (
            head_layer(self.actor.output_size, sum(branches), settings, 0.1, 0.01) if branches else None
        )
        self.value_head = head_layer(self.critic.output_size, reward_streams, settings, 0.7, 1.0)

    @classmethod
    def build(cls, spec: BehaviorSpec, description: dict[str, Any]) -> Self:
        """See `PolicyNetwork.build`; descriptions without `reward_streams` are of one stream."""
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

    def forward(
        self, inputs: Sequence[Tensor], forbidden: Tensor | None
    ) -> tuple[ActionDistribution, Tensor]:
        """Action distribution and (n, streams) values of prepared inputs."""
        features = self.actor(inputs)
        critic_features = features if self.critic is self.actor else self.critic(inputs)
        return self._distribution(features, forbidden), self.value_head(critic_features)

    def distribution(self, inputs: Sequence[Tensor], forbidden: Tensor | None) -> ActionDistribution:
        """See `PolicyNetwork.distribution`."""
        return self._distribution(self.actor(inputs), forbidden)

    def value(self, inputs: Sequence[Tensor]) -> Tensor:
        """Values (n, streams) of prepared inputs."""
        result: Tensor = self.value_head(self.critic(inputs))
        return result

    def to_environment(self, sample: ActionSample) -> ActionTuple:
        """Continuous actions as clamp(a, -3, 3) / 3, as ML-Agents' PPO sends them."""
        return ActionTuple(
            continuous=np.clip(sample.continuous, -ACTION_LIMIT, ACTION_LIMIT) / np.float32(ACTION_LIMIT),
            discrete=sample.discrete.astype(np.int32),
        )

    def exported_actions(self, inputs: Sequence[Tensor], forbidden: Tensor | None) -> ExportedActions:
        """See `PolicyNetwork.exported_actions`."""
        distribution = self.distribution(inputs, forbidden)
        continuous = discrete = None
        if self.mean_head is not None:
            mean = distribution.mean
            sample = mean + torch.randn_like(mean) * distribution.log_std.exp()
            continuous = (_scaled(sample), _scaled(mean))
        if distribution.log_probs:
            picks = torch.cat([sampled(branch) for branch in distribution.log_probs], dim=1)
            best = torch.cat([branch.argmax(1, keepdim=True) for branch in distribution.log_probs], dim=1)
            discrete = (picks, best)
        return ExportedActions(continuous, discrete)

    def trial_loss(self, inputs: Sequence[Tensor]) -> Tensor:
        """See `PolicyNetwork.trial_loss`."""
        distribution, value = self(inputs, None)
        total: Tensor = (
            value.square().mean() + distribution.entropy().mean() + distribution.mean.square().sum()
        )
        return total

    def parameter_groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """What the actions depend on, layers shared with the critic included, and what the critic has alone."""
        critic = set(self.value_head.parameters())
        if self.critic is not self.actor:
            critic |= set(self.critic.parameters())
        learned = [one for one in self.parameters() if one.numel() and one.requires_grad]
        return [one for one in learned if one not in critic], [one for one in learned if one in critic]

    def _distribution(self, features: Tensor, forbidden: Tensor | None) -> ActionDistribution:
        mean = features[:, :0] if self.mean_head is None else self.mean_head(features)
        branches: tuple[Tensor, ...] = ()
        if self.logits_head is not None:
            branches = branch_log_probs(
                self.logits_head(features), self.action_spec.discrete_branches, forbidden
            )
        return ActionDistribution(mean, self.log_std, branches)


def _scaled(action: Tensor) -> Tensor:
    """What the environment gets: clamp(a, -3, 3) / 3."""
    return action.clamp(-ACTION_LIMIT, ACTION_LIMIT) / ACTION_LIMIT
