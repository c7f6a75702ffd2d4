"""The policy and its critic: from observations to actions and values."""

from collections.abc import Sequence

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple, BehaviorSpec
from torch import Tensor, nn

from trainers.config import NetworkSettings
from trainers.networks.distributions import ActionDistribution, branch_log_probs
from trainers.networks.layers import head_layer
from trainers.networks.perception import Perception

ACTION_LIMIT = 3.0


class Policy(Perception):
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

    def forward(
        self, inputs: Sequence[Tensor], forbidden: Tensor | None
    ) -> tuple[ActionDistribution, Tensor]:
        """Action distribution and (n, streams) values of prepared inputs."""
        features = self.actor(inputs)
        critic_features = features if self.critic is self.actor else self.critic(inputs)
        return self._distribution(features, forbidden), self.value_head(critic_features)

    def distribution(self, inputs: Sequence[Tensor], forbidden: Tensor | None) -> ActionDistribution:
        """Action distribution of prepared inputs; `forbidden` is (n, sum of branch sizes) bool."""
        return self._distribution(self.actor(inputs), forbidden)

    def value(self, inputs: Sequence[Tensor]) -> Tensor:
        """Values (n, streams) of prepared inputs."""
        result: Tensor = self.value_head(self.critic(inputs))
        return result

    def _distribution(self, features: Tensor, forbidden: Tensor | None) -> ActionDistribution:
        mean = features[:, :0] if self.mean_head is None else self.mean_head(features)
        branches: tuple[Tensor, ...] = ()
        if self.logits_head is not None:
            branches = branch_log_probs(
                self.logits_head(features), self.action_spec.discrete_branches, forbidden
            )
        return ActionDistribution(mean, self.log_std, branches)


def to_action_tuple(continuous: np.ndarray, discrete: np.ndarray) -> ActionTuple:
    """What the environment gets: clamp(a, -3, 3) / 3 for continuous actions, as in the exported model."""
    return ActionTuple(
        continuous=np.clip(continuous, -ACTION_LIMIT, ACTION_LIMIT) / np.float32(ACTION_LIMIT),
        discrete=discrete.astype(np.int32),
    )


def join_masks(action_mask: Sequence[np.ndarray] | None) -> np.ndarray | None:
    """The seam's mask, one (n, choices) array per branch, True = forbidden, as one (n, sum of branches) array."""
    return None if action_mask is None else np.concatenate(list(action_mask), axis=1).astype(np.bool_)


@torch.inference_mode()
def choose(
    policy: Perception,
    observations: Sequence[np.ndarray],
    forbidden: np.ndarray | None,
    deterministic: bool,
    generator: torch.Generator | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Actions for a batch of observations.

    Returns:
        Raw continuous actions (n, size) float32, discrete ones (n, branches) int64, log-probabilities (n, parts)
            as `Distribution.log_prob` has them.
    """
    mask = None if forbidden is None else torch.from_numpy(forbidden).to(policy.device)
    distribution = policy.distribution(policy.upload(observations), mask)
    actions = distribution.mode() if deterministic else distribution.sample(generator)
    log_prob = distribution.log_prob(actions)
    return actions.continuous.cpu().numpy(), actions.discrete.cpu().numpy(), log_prob.cpu().numpy()
