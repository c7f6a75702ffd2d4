"""Maps Gymnasium observation spaces to ML-Agents specs, and converts observations to arrays of `DecisionSteps`.

A mapping is built once from a space and then applied to batches. `action_spaces` does the same for actions.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
from gymnasium import Space, spaces
from gymnasium.vector.utils import concatenate, create_empty_array
from mlagents_envs.base_env import DimensionProperty, ObservationSpec, ObservationType

from gym_adapters.action_spaces import space_text
from gym_adapters.checked import fitted
from gym_adapters.conversions import Convert, OutsideError, shape_and_conversion
from gym_adapters.errors import UserError
from gym_adapters.sizes import check_observations
from gym_adapters.values import described

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Leaf:
    """One observation array: its path in a nested observation, its shape there, its spec and its conversion."""

    path: tuple[Any, ...]
    shape: tuple[int, ...]
    spec: ObservationSpec
    convert: Convert


class ObservationMapping:
    """Converts batched observations of one space to the arrays of `DecisionSteps.obs`.

    Vectors become float32, or float64 where float32 would merge neighbours. Images become channel-first and keep
    uint8, spread over 0 to 255 if the space has other bounds; a float image is scaled to [0, 1] if its space has finite
    bounds. `Dict` and `Tuple` spaces give one array per entry, in the space's order; `Discrete` and `MultiDiscrete`
    values become one-hot vectors. Texts in a `Dict`, such as MiniGrid's missions, are left out.

    Args:
        space: The space of one environment's observation.
        name: The environment's name, for messages.

    Attributes:
        space: The space of one environment's observation, without texts.
        specs: One `ObservationSpec` per array.

    Raises:
        UserError: The space is empty or of a kind that is not supported.
    """

    def __init__(self, space: Space, name: str = "") -> None:
        self._where = f"environment {name}: observation" if name else "observation"
        space = self.space = without_text(space, self._where)
        self._leaves = list(_leaves(space, ()))
        self.specs = [leaf.spec for leaf in self._leaves]
        if not self._leaves or any(0 in spec.shape for spec in self.specs):
            raise UserError(
                f"{self._where} space {space_text(space)} is empty or has an empty part; expected at least one "
                "number in each; leave the part out"
            )
        check_observations("the environment", [spec.shape for spec in self.specs])

    def convert(self, observation: Any, rows: np.ndarray | None = None) -> list[np.ndarray]:
        """Converts a batch of observations.

        Args:
            observation: Arrays of shape (num_envs, ...), nested like the space.
            rows: Which of them are converted, (num_envs,) bool; the others may hold anything. None converts all.

        Returns:
            New arrays, one per spec. Shape: (num_envs, *spec.shape), or (chosen, *spec.shape), as the class describes.

        Raises:
            UserError: An array is missing, has another shape, or holds values outside a space of integers.
        """
        return [self._converted(observation, leaf, rows) for leaf in self._leaves]

    def is_one(self, observation: Any) -> bool:
        """Whether an observation is that of a single environment; else it has the form that `convert` takes."""
        leaf = self._leaves[0]
        try:
            return np.ndim(_follow(observation, leaf.path)) == len(leaf.shape)
        except (LookupError, TypeError, ValueError):  # of another form, which `convert` refuses
            return False

    def convert_rows(self, rows: Sequence[Any]) -> list[np.ndarray]:
        """Converts a list of observations, each in the form that a single environment returns."""
        batch = create_empty_array(self.space, n=len(rows))
        rows = [_known_part(self.space, row) for row in rows]
        rows = [fitted(self.space, row, self._where) for row in rows]
        return self.convert(concatenate(self.space, rows, cast(Any, batch)) if rows else batch)

    def _converted(self, observation: Any, leaf: "_Leaf", chosen: np.ndarray | None) -> np.ndarray:
        try:
            batch = np.asarray(_follow(observation, leaf.path))
        except (LookupError, TypeError, ValueError):
            batch = np.empty(0, object)
        where = "/".join([self._where, *map(str, leaf.path)])
        count = batch.shape[:1] if chosen is None else chosen.shape
        if batch.ndim == 0 or batch.shape != count + leaf.shape or batch.dtype.kind not in "biuf":
            raise UserError(
                f"{where}: a batch is {described(observation)}; expected numbers of shape (environments, "
                f"{', '.join(map(str, leaf.shape))}), as the observation space says; change one of the two"
            )
        try:
            return leaf.convert(batch if chosen is None else batch[chosen])
        except OutsideError as error:
            raise UserError(
                f"{where}: {error}; expected values of its observation space; change one of the two"
            ) from None


def without_text(space: Space, where: str) -> Space:
    """Returns a space without the texts in its dictionaries, which no network here reads, and says so.

    Args:
        space: The space.
        where: What the space is of, for the message.
    """
    if not isinstance(space, spaces.Dict):
        return space
    parts = []
    for key, child in space.spaces.items():
        if child.dtype is not None and child.dtype.kind == "U":
            _say_left_out(where, str(key))
        else:
            parts.append((key, without_text(child, f"{where} {key!r}")))
    same = [child for _, child in parts] == list(space.spaces.values())
    return space if same else spaces.Dict(parts)


@cache
def _say_left_out(where: str, key: str) -> None:
    """Says once that a text is left out; an environment may be made more than once."""
    logger.warning("%s %r is text, which no network here reads: it is left out", where, key)


def _known_part(space: Space, observation: Any) -> Any:
    """Returns an observation without the texts that its space does not have."""
    if not (isinstance(space, spaces.Dict) and isinstance(observation, Mapping)):
        return observation
    return {
        key: _known_part(space.spaces[key], value) if key in space.spaces else value
        for key, value in observation.items()
        if key in space.spaces or not isinstance(value, str)
    }


def _leaves(space: Space, path: tuple[Any, ...]) -> Iterator[_Leaf]:
    """Yields every array in a (nested) observation space, depth first, in the order of the space."""
    if isinstance(space, spaces.Dict):
        for key, child in space.spaces.items():
            yield from _leaves(child, (*path, key))
    elif isinstance(space, spaces.Tuple):
        for index, child in enumerate(space.spaces):
            yield from _leaves(child, (*path, index))
    else:
        shape, convert = shape_and_conversion(space)
        name = "/".join(map(str, path)) or "observation"
        yield _Leaf(path, space.shape or (), _observation_spec(shape, name), convert)


def _follow(observation: Any, path: tuple[Any, ...]) -> np.ndarray:
    for key in path:
        observation = observation[key]
    return observation


def _observation_spec(shape: tuple[int, ...], name: str) -> ObservationSpec:
    pixels = DimensionProperty.TRANSLATIONAL_EQUIVARIANCE
    properties = (DimensionProperty.NONE, *[pixels for _ in shape[1:]])
    return ObservationSpec(shape, properties, ObservationType.DEFAULT, name)
