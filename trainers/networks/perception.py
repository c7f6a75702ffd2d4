"""Observations as inputs of a network, sorted into vectors, images and entities."""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec, DimensionProperty, ObservationSpec, ObservationType
from torch import Tensor, nn

from gym_adapters.errors import UserError
from trainers.config import NetworkSettings
from trainers.networks.body import Body, set_mixed_precision
from trainers.networks.normalizer import VectorNormalizer

VECTOR, IMAGE, ENTITIES = "vector", "image", "entities"


class Perception(nn.Module):
    """The base of all networks: prepares observations and makes bodies.

    Args:
        spec: observations and actions of the behavior.
        settings: ML-Agents' `network_settings`.

    Attributes:
        action_spec: the behavior's actions.
        vector_columns: indices of the vector observations. `image_columns` and `entity_columns` are those of the
            others.
        vector_size: summed length of the vector observations.
        goal_columns: indices of the observations on which the last hidden layer depends (`trainers.networks.goals`).
        normalizer: normalises the vectors; None without vectors or without the ML-Agents key `normalize`.

    Raises:
        UserError: an observation is neither a vector nor an image nor a list of entities, or a goal is such a list.
    """

    def __init__(self, spec: BehaviorSpec, settings: NetworkSettings) -> None:
        super().__init__()
        observations = spec.observation_specs
        self._shapes = [tuple(observation.shape) for observation in observations]
        kinds = [_kind(index, observation) for index, observation in enumerate(observations)]
        self.action_spec = spec.action_spec
        self.vector_columns, self.image_columns, self.entity_columns = (
            [index for index, found in enumerate(kinds) if found == kind]
            for kind in (VECTOR, IMAGE, ENTITIES)
        )
        self.goal_columns = [
            index
            for index, observation in enumerate(observations)
            if observation.observation_type == ObservationType.GOAL_SIGNAL
            and settings.goal_conditioning_type == "hyper"
        ]
        for index in self.goal_columns:
            if kinds[index] == ENTITIES:
                raise UserError(
                    f"observation {index} ({observations[index].name}) is a goal signal of variable length; "
                    "goal_conditioning_type hyper takes vectors and images as goals; set "
                    "network_settings.goal_conditioning_type to none, or give the sensor another observation type"
                )
        self.settings = settings
        self.vector_size = sum(self._shapes[index][0] for index in self.vector_columns)
        self.normalizer = (
            VectorNormalizer(self.vector_size) if settings.normalize and self.vector_size else None
        )

    def make_body(self, hidden_units: int, num_layers: int | None = None, more: int = 0) -> Body:
        """Return a new body over all observations.

        Args:
            hidden_units: width of its hidden layers.
            num_layers: number of hidden layers; None takes that of the settings.
            more: numbers that its first input holds behind the vector observations.

        Raises:
            UserError: an image is smaller than its encoder accepts.
        """
        images = [(self._shapes[i][0], self._shapes[i][1], self._shapes[i][2]) for i in self.image_columns]
        rows = [self._shapes[index][1] for index in self.entity_columns]
        goals = self.goal_spans(hidden_units, more)
        return Body(self.vector_size + more, images, rows, self.settings, hidden_units, num_layers, goals)

    def goal_spans(self, hidden_units: int, more: int = 0) -> list[tuple[int, int]]:
        """Return where the goals stand among the features of all observations: first column, and one after the last.

        Args:
            hidden_units: length of each encoded image.
            more: numbers behind the vector observations.
        """
        widths = [(index, self._shapes[index][0]) for index in self.vector_columns]
        widths += [(-1, more)] + [(index, hidden_units) for index in self.image_columns]
        stops = list(itertools.accumulate(width for _, width in widths))
        return [
            (stop - width, stop)
            for (index, width), stop in zip(widths, stops, strict=True)
            if index in self.goal_columns
        ]

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return next(self.parameters()).device

    @property
    def mixed_precision(self) -> bool:
        """Whether image encoders compute in bfloat16. Everything else is float32."""
        return any(module.mixed_precision for module in self.modules() if isinstance(module, Body))

    @mixed_precision.setter
    def mixed_precision(self, chosen: bool) -> None:
        set_mixed_precision(self, chosen)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def upload(self, observations: Sequence[np.ndarray | Tensor]) -> tuple[Tensor, ...]:
        """Copy observations to the network's device and prepare them.

        Args:
            observations: one (n, *shape) array per observation, or tensor on that device.

        Returns:
            See `prepare`.
        """
        tensors = [as_tensor(array) for array in observations]
        if self.device.type == "mps":  # which has no float64
            tensors = [tensor.float() if tensor.dtype == torch.float64 else tensor for tensor in tensors]
        return self.prepare([tensor.to(self.device) for tensor in tensors])

    def prepare(self, observations: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Turn observations into inputs of the network.

        The normaliser does not change during an update, so one call per rollout is enough.

        Args:
            observations: one (n, *shape) tensor per observation.

        Returns:
            One normalised (n, vector_size) tensor if there are vectors, then each image, then each observation of
            entities.
        """
        inputs: list[Tensor] = []
        if self.vector_columns:
            vectors = [observations[index] for index in self.vector_columns]
            if self.normalizer is None or all(vector.dtype != torch.float64 for vector in vectors):
                vectors = [vector.float() for vector in vectors]
            vector = vectors[0] if len(vectors) == 1 else torch.cat(vectors, dim=1)
            inputs.append(vector if self.normalizer is None else self.normalizer(vector))
        return (*inputs, *(observations[index] for index in (*self.image_columns, *self.entity_columns)))


def as_tensor(array: np.ndarray | Tensor) -> Tensor:
    """Return an array as a tensor that shares its memory; a tensor as it is.

    An array that is read-only, or that runs backwards, as `rows[::-1]` does, is copied: torch takes no such array.
    """
    if isinstance(array, Tensor):
        return array
    is_plain = array.flags.writeable and min(array.strides, default=0) >= 0
    return torch.from_numpy(array if is_plain else array.copy())


def _kind(index: int, observation: ObservationSpec) -> str:
    """Return the kind of an observation. Entities are a table whose number of rows varies."""
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
