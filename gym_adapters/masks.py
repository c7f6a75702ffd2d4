"""Masks of actions, as Gymnasium and PettingZoo environments give them in `info`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import Space, spaces

from gym_adapters.errors import UserError
from gym_adapters.values import described

ACTION_MASK = "action_mask"
"""Key of `info` whose value has 1 for each action that is allowed."""


def branches_of(space: Space) -> tuple[int, ...] | None:
    """Returns the number of actions of each branch; None if a space's actions cannot be masked."""
    if isinstance(space, spaces.Discrete):
        return (int(space.n),)
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
        return tuple(int(n) for n in space.nvec)
    return None


def flat_mask(mask: Any, branches: Sequence[int], where: str) -> np.ndarray:
    """Returns an action mask as one array, shape (sum of branches,), with 1 = allowed.

    Args:
        mask: An array or sequence with one entry per action; with several branches also a sequence of masks.
        branches: The number of actions of each branch.
        where: The environment, for the message.

    Raises:
        UserError: The mask has another length, or holds other numbers than 0 and 1.
    """
    try:
        is_array = isinstance(mask, np.ndarray) and mask.dtype != object
        flat = np.ravel(mask) if is_array else np.concatenate([np.ravel(part) for part in mask])
    except (TypeError, ValueError):
        flat = np.empty(0, object)
    size = sum(branches)
    if flat.shape != (size,) or flat.dtype.kind not in "biuf" or not ((flat == 0) | (flat == 1)).all():
        raise UserError(
            f"{where}: info[{ACTION_MASK!r}] is {described(mask)}; expected {size} numbers, one per action, 1 if it is "
            "allowed and 0 if not"
        )
    return flat.astype(np.int8)
