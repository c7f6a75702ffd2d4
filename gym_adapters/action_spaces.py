"""Maps Gymnasium action spaces to `ActionSpec`s, and `ActionTuple`s to what an environment takes."""

import logging
import math
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

    A bounded dimension of a `Box` is clipped to [-1, 1] and mapped linearly to [low, high]; an unbounded one, or one
    bounded only by the largest numbers of its type, is passed on unchanged. `Discrete`, `MultiDiscrete` and
    `MultiBinary` become branches counted from 0.

    Attributes:
        space: The space of one environment's action.
        spec: The `ActionSpec` to train with.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._first = np.zeros(0, dtype=np.int64)
        _check_size(space)
        if math.prod(space.shape or ()) == 0:
            raise UserError(
                f"action space {space_text(space)} is empty; expected at least one action; "
                "wrap the environment to take one"
            )
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
                    f"action space {space_text(space)} is not supported; expected Box, Discrete, or one-dimensional "
                    "MultiDiscrete or MultiBinary; wrap the environment to give one of these"
                )

    def convert(self, action: ActionTuple) -> np.ndarray:
        """Converts a batch of actions.

        Args:
            action: Continuous part of shape (num_envs, continuous_size), discrete part of shape
                (num_envs, branches).

        Returns:
            Actions in the form and type of the space. Shape: (num_envs, *space.shape)
        """
        dtype = self.space.dtype
        if self.spec.continuous_size:
            values = self._scale(action.continuous.astype(np.float64))
        else:
            values = action.discrete + self._first
        return values.reshape(-1, *(self.space.shape or ())).astype(dtype)

    def invert(self, actions: np.ndarray) -> ActionTuple:
        """Returns the `ActionTuple` that `convert` turns into these actions.

        Args:
            actions: Actions of one environment after another, in the form of the space. Shape: (n, *space.shape)

        Raises:
            ValueError: An action has another shape, or is no action of the space.
        """
        if actions.shape[1:] != (self.space.shape or ()):
            raise ValueError(f"actions of shape {actions.shape}, expected (n, *{self.space.shape})")
        rows = actions.reshape(len(actions), -1)
        if self.spec.continuous_size:
            width = np.where(self._half_width > 0, self._half_width, 1.0)
            unit = (rows.astype(np.float64) - self._center) / width
            return ActionTuple(
                continuous=np.where(self._bounded, np.clip(unit, -1.0, 1.0), unit).astype(np.float32)
            )
        counted = rows.astype(np.int64) - self._first
        if ((counted < 0) | (counted >= np.array(self.spec.discrete_branches))).any():
            raise ValueError(f"an action that {space_text(self.space)} does not have")
        return ActionTuple(discrete=counted.astype(np.int32))

    def _set_bounds(self, space: spaces.Box) -> None:
        low, high = space.low.ravel().astype(np.float64), space.high.ravel().astype(np.float64)
        bounded = (low > -_largest(space.dtype)) & (high < _largest(space.dtype))
        if not bounded.all():
            _say_unbounded(space_text(space), int(np.count_nonzero(~bounded)), bounded.size)
        self._low, self._high, self._bounded = low, high, bounded
        low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
        self._center, self._half_width = low / 2 + high / 2, high / 2 - low / 2

    def _scale(self, raw: np.ndarray) -> np.ndarray:
        """Scales policy values to [low, high]. Shape: (num_envs, continuous_size)."""
        unit = np.where(self._bounded, np.clip(raw, -1.0, 1.0), raw)
        scaled = np.clip(self._center + self._half_width * unit, self._low, self._high)
        return np.rint(scaled) if np.issubdtype(self.space.dtype, np.integer) else scaled


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


def _largest(dtype: Any) -> float:
    """Returns the largest number of a type, at most that of float32 or int32, that stands for "unbounded" in bounds."""
    if np.issubdtype(dtype, np.floating):
        return float(min(np.finfo(dtype).max, np.finfo(np.float32).max))
    return float(np.iinfo(np.int32).max)


def space_text(space: Space) -> str:
    """Returns a space in one line, for messages."""
    return " ".join(str(space).split())
