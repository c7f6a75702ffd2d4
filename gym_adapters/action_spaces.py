"""Maps Gymnasium action spaces to `ActionSpec`s, and `ActionTuple`s to what an environment takes."""

import logging
import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from gymnasium import Space, spaces
from mlagents_envs.base_env import ActionSpec, ActionTuple

from gym_adapters.errors import UserError
from gym_adapters.sizes import check_actions

logger = logging.getLogger(__name__)


class ActionMapping:
    """Converts `ActionTuple`s to batched actions of one space.

    A `Tuple` or `Dict` takes hybrid actions: the numbers of its parts side by side, and their branches. Each part is
    converted as `PlainActions` says.

    Attributes:
        space: The space of one environment's action.
        spec: The `ActionSpec` to train with.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._parts = [PlainActions(part) for part in parts_of(space)]
        if not self._parts:
            raise _empty(space)
        branches = tuple(branch for part in self._parts for branch in part.spec.discrete_branches)
        self.spec = ActionSpec(sum(part.spec.continuous_size for part in self._parts), branches)
        check_actions("the environment", self.spec.continuous_size, branches)

    def convert(self, action: ActionTuple) -> Any:
        """Converts a batch of actions.

        Args:
            action: Continuous part of shape (num_envs, continuous_size), discrete part of shape
                (num_envs, branches).

        Returns:
            Actions in the form and type of the space: arrays of shape (num_envs, *space.shape), nested like the space.
        """
        converted, number, branch = [], 0, 0
        for part in self._parts:
            next_number, next_branch = number + part.spec.continuous_size, branch + part.spec.discrete_size
            converted.append(
                part.convert(action.continuous[:, number:next_number], action.discrete[:, branch:next_branch])
            )
            number, branch = next_number, next_branch
        return _nested(self.space, iter(converted))

    def convert_each(self, action: ActionTuple) -> list[Any]:
        """Converts a batch of actions to a list of single ones, each in the form that one environment takes."""
        batch = self.convert(action)
        if isinstance(batch, np.ndarray):
            return list(batch)
        return [_row(batch, row) for row in range(len(action.continuous))]

    def invert(self, actions: Any) -> ActionTuple:
        """Returns the `ActionTuple` that `convert` turns into these actions.

        Args:
            actions: What `convert` returns.

        Raises:
            ValueError: An action has another shape, or is no action of the space.
        """
        pairs = [
            part.invert(np.asarray(rows))
            for part, rows in zip(self._parts, _flat(self.space, actions), strict=True)
        ]
        return ActionTuple(*(np.concatenate(columns, axis=1) for columns in zip(*pairs, strict=True)))


class PlainActions:
    """Converts actions of a space that has no parts.

    A bounded dimension of a `Box` is clipped to [-1, 1] and mapped linearly to [low, high]; an unbounded one, or one
    bounded only by the largest numbers of its type, is passed on unchanged. `Discrete`, `MultiDiscrete` and
    `MultiBinary` become branches counted from 0.

    Attributes:
        space: The space of one environment's action.
        spec: Its `ActionSpec`.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._first = np.zeros(0, dtype=np.int64)
        _check_size(space)
        if math.prod(space.shape or ()) == 0:
            raise _empty(space)
        match space:
            case spaces.Box():
                self.spec = ActionSpec.create_continuous(int(np.prod(space.shape)))
                self._set_bounds(space)
            case spaces.Discrete():
                self.spec = ActionSpec.create_discrete((int(space.n),))
                self._first = np.array([space.start], dtype=np.int64)
            case spaces.MultiDiscrete() if space.nvec.ndim == 1:
                self.spec = ActionSpec.create_discrete(tuple(int(n) for n in space.nvec))
                self._first = np.asarray(space.start, dtype=np.int64)
            case spaces.MultiBinary() if len(space.shape) == 1:
                self.spec = ActionSpec.create_discrete((2,) * space.shape[0])
                self._first = np.zeros(space.shape, dtype=np.int64)
            case _:
                raise UserError(
                    f"action space {space_text(space)} is not supported; expected Box, Discrete, one-dimensional "
                    "MultiDiscrete or MultiBinary, or a Tuple or Dict of these; wrap the environment to give one"
                )

    def convert(self, numbers: np.ndarray, choices: np.ndarray) -> np.ndarray:
        """Converts a batch of actions.

        Args:
            numbers: Shape: (num_envs, continuous_size).
            choices: Shape: (num_envs, branches).

        Returns:
            Actions in the form and type of the space. Shape: (num_envs, *space.shape)
        """
        is_box = self.spec.continuous_size > 0
        values = self._scale(numbers.astype(np.float64)) if is_box else choices + self._first
        return values.reshape(-1, *(self.space.shape or ())).astype(self.space.dtype)

    def invert(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the numbers, float32, and the choices, int32, that `convert` turns into these actions.

        Args:
            actions: Shape: (n, *space.shape)

        Raises:
            ValueError: An action has another shape, or is no action of the space.
        """
        if actions.shape[1:] != (self.space.shape or ()):
            raise ValueError(f"actions of shape {actions.shape}, expected (n, *{self.space.shape})")
        rows = actions.reshape(len(actions), -1)
        if self.spec.continuous_size:
            width = np.where(self._half_width > 0, self._half_width, 1.0)
            unit = (rows.astype(np.float64) - self._center) / width
            numbers = np.where(self._bounded, np.clip(unit, -1.0, 1.0), unit).astype(np.float32)
            return numbers, np.zeros((len(rows), 0), np.int32)
        counted = rows.astype(np.int64) - self._first
        if ((counted < 0) | (counted >= np.array(self.spec.discrete_branches))).any():
            raise ValueError(f"an action that {space_text(self.space)} does not have")
        return np.zeros((len(rows), 0), np.float32), counted.astype(np.int32)

    def _set_bounds(self, space: spaces.Box) -> None:
        low, high = space.low.ravel().astype(np.float64), space.high.ravel().astype(np.float64)
        bounded = (low > -largest(space.dtype)) & (high < largest(space.dtype))
        if not bounded.all():
            _say_unbounded(space_text(space), int(np.count_nonzero(~bounded)), bounded.size)
        self._low, self._high, self._bounded = low, high, bounded
        low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
        self._center, self._half_width = low / 2 + high / 2, high / 2 - low / 2

    def _scale(self, raw: np.ndarray) -> np.ndarray:
        """Scales policy values to [low, high]. Shape: (num_envs, continuous_size)."""
        unit = np.where(self._bounded, np.clip(raw, -1.0, 1.0), raw)
        scaled = np.clip(self._center + self._half_width * unit, self._low, self._high)
        return scaled if np.issubdtype(self.space.dtype, np.floating) else np.rint(scaled)


def parts_of(space: Space) -> list[Space]:
    """Returns the parts of a space that have no parts, in order; the space itself if it has none."""
    match space:
        case spaces.Tuple():
            return [part for child in space.spaces for part in parts_of(child)]
        case spaces.Dict():
            return [part for child in space.spaces.values() for part in parts_of(child)]
    return [space]


def _nested(space: Space, parts: Iterator[Any]) -> Any:
    """Returns what belongs to the parts of a space, nested like the space."""
    match space:
        case spaces.Tuple():
            return tuple(_nested(child, parts) for child in space.spaces)
        case spaces.Dict():
            return {key: _nested(child, parts) for key, child in space.spaces.items()}
    return next(parts)


def _flat(space: Space, nested: Any) -> list[Any]:
    """Returns what belongs to the parts of a space, in order; the opposite of `_nested`."""
    match space:
        case spaces.Tuple():
            return [
                part for child, own in zip(space.spaces, nested, strict=True) for part in _flat(child, own)
            ]
        case spaces.Dict():
            return [part for key, child in space.spaces.items() for part in _flat(child, nested[key])]
    return [nested]


def _row(batch: Any, row: int) -> Any:
    """Returns one action of a nested batch."""
    match batch:
        case tuple():
            return tuple(_row(part, row) for part in batch)
        case dict():
            return {key: _row(part, row) for key, part in batch.items()}
    return batch[row]


def _empty(space: Space) -> UserError:
    return UserError(
        f"action space {space_text(space)} is empty; expected at least one action; wrap the environment to take one"
    )


@cache
def _say_unbounded(space: str, count: int, size: int) -> None:
    """Says once that dimensions of a space are unbounded; an environment may be made more than once."""
    logger.warning(
        "action space %s: %d of %d dimensions are unbounded and take the policy's value unchanged, which lies "
        "in [-1, 1]; if other values are needed, give the space bounds",
        space,
        count,
        size,
    )


def _check_size(space: Space) -> None:
    """Check the number of actions before a list of them is made."""
    match space:
        case spaces.Box():
            check_actions("the environment", math.prod(space.shape), ())
        case spaces.Discrete():
            check_actions("the environment", 0, (int(space.n),))
        case spaces.MultiDiscrete():
            check_actions("the environment", 0, space.nvec.ravel())
        case spaces.MultiBinary():
            check_actions("the environment", 0, np.broadcast_to(2, math.prod(space.shape)))


def largest(dtype: Any) -> float:
    """Returns the largest number of a type, at most that of float32 or int32, that stands for "unbounded" in bounds."""
    if np.issubdtype(dtype, np.floating):
        return float(min(np.finfo(dtype).max, np.finfo(np.float32).max))
    return float(np.iinfo(np.int32).max)


def space_text(space: Space) -> str:
    """Returns a space in one line, for messages."""
    return " ".join(str(space).split())
