"""The policy and its critic: from observations to actions and values."""

from collections.abc import Sequence

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple, BehaviorSpec, DimensionProperty, ObservationSpec
from torch import Tensor, nn

from gym_adapters.errors import UserError
from trainers.config import NetworkSettings
from trainers.distributions import ActionDistribution, Actions, branch_log_probs
from trainers.layers import head_layer
from trainers.networks import Body
from trainers.normalizer import VectorNormalizer

ACTION_LIMIT = 3.0
VECTOR, IMAGE, ENTITIES = "vector", "image", "entities"


class Policy(nn.Module):
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
        super().__init__()
        observations = spec.observation_specs
        shapes = [tuple(observation.shape) for observation in observations]
        kinds = [_kind(index, observation) for index, observation in enumerate(observations)]
        self.action_spec = spec.action_spec
        self.vector_columns, self.image_columns, self.entity_columns = (
            [index for index, found in enumerate(kinds) if found == kind]
            for kind in (VECTOR, IMAGE, ENTITIES)
        )
        vector_size = sum(shapes[index][0] for index in self.vector_columns)
        images = [(shapes[i][0], shapes[i][1], shapes[i][2]) for i in self.image_columns]
        rows = [shapes[index][1] for index in self.entity_columns]

        self.normalizer = VectorNormalizer(vector_size) if settings.normalize and vector_size else None
        self.actor = Body(vector_size, images, rows, settings, settings.hidden_units)
        critic_units = settings.critic_hidden_units or settings.hidden_units
        self.critic = self.actor if shared_critic else Body(vector_size, images, rows, settings, critic_units)
        continuous, branches = spec.action_spec.continuous_size, spec.action_spec.discrete_branches
        self.mean_head = (
            head_layer(self.actor.output_size, continuous, settings, 0.2, 0.01) if continuous else None
        )
        self.log_std = nn.Parameter(torch.full((continuous,), settings.initial_log_std))
        self.logits_head = (
            head_layer(self.actor.output_size, sum(branches), settings, 0.1, 0.01) if branches else None
        )
        self.value_head = head_layer(self.critic.output_size, reward_streams, settings, 0.7, 1.0)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.log_std.device

    @property
    def mixed_precision(self) -> bool:
        """Whether image encoders compute in bfloat16, on CPU or CUDA; everything else is float32."""
        return self.actor.mixed_precision

    @mixed_precision.setter
    def mixed_precision(self, chosen: bool) -> None:
        self.actor.mixed_precision = self.critic.mixed_precision = chosen

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def upload(self, observations: Sequence[np.ndarray]) -> tuple[Tensor, ...]:
        """Arrays of shape (n, *shape), one per observation, to network inputs on the policy's device.

        The inputs are all vectors as one normalised (n, vector size) tensor, if there are any, then each image, then
        the entities of each observation of variable length.
        """
        return self.prepare([torch.from_numpy(array).to(self.device) for array in observations])

    def prepare(self, observations: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Observation tensors (n, *shape) to network inputs; the normaliser is fixed, so once per rollout is enough."""
        inputs: list[Tensor] = []
        if self.vector_columns:
            vectors = [observations[index].float() for index in self.vector_columns]
            vector = vectors[0] if len(vectors) == 1 else torch.cat(vectors, dim=1)
            inputs.append(vector if self.normalizer is None else self.normalizer(vector))
        return (*inputs, *(observations[index] for index in (*self.image_columns, *self.entity_columns)))

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


def _kind(index: int, observation: ObservationSpec) -> str:
    """What an observation is; only the first dimension of a table may vary in length."""
    shape, properties = tuple(observation.shape), tuple(observation.dimension_property)
    varies = [value == DimensionProperty.VARIABLE_SIZE for value in properties]
    if not any(varies) and len(shape) in (1, 3):
        return VECTOR if len(shape) == 1 else IMAGE
    if len(shape) == 2 and varies == [True, False]:
        return ENTITIES
    named = ", ".join(value.name or str(value) for value in properties)
    raise UserError(
        f"observation {index} ({observation.name}) has shape {shape} with dimensions {named}; this trainer takes "
        "vectors, images, and lists of entities (VARIABLE_SIZE, NONE)"
    )


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
    policy: Policy,
    observations: Sequence[np.ndarray],
    forbidden: np.ndarray | None,
    deterministic: bool,
    generator: torch.Generator | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Actions for a batch of observations.

    Returns:
        Raw continuous actions (n, size) float32, discrete ones (n, branches) int64, log-probabilities (n,).
    """
    mask = None if forbidden is None else torch.from_numpy(forbidden).to(policy.device)
    distribution = policy.distribution(policy.upload(observations), mask)
    actions: Actions = distribution.mode() if deterministic else distribution.sample(generator)
    log_prob = distribution.log_prob(actions)
    return actions.continuous.cpu().numpy(), actions.discrete.cpu().numpy(), log_prob.cpu().numpy()
