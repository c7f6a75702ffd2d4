"""Masks of actions, as Gymnasium and PettingZoo environments give them in `info`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import Space, spaces

from gym_adapters.action_spaces import parts_of
from gym_adapters.errors import UserError
from gym_adapters.values import described

ACTION_MASK = "action_mask"
"""Key of `info` whose value has 1 for each action that is allowed."""

OBSERVATION = "observation"
"""Key of the observation proper in a dictionary that also holds an action mask, as PettingZoo's games give it."""


def branches_of(space: Space) -> tuple[int, ...] | None:
    """Returns the number of actions of each branch; None if a space's actions cannot be masked."""
    branches: tuple[int, ...] = ()
    for part in parts_of(space):
        match part:
            case spaces.Discrete():
                branches += (int(part.n),)
            case spaces.MultiDiscrete() if part.nvec.ndim == 1:
                branches += tuple(int(n) for n in part.nvec)
            case spaces.Box():  # the numbers beside choices have no mask
                pass
            case _:
                return None
    return branches or None


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


def masks_told(infos: Mapping[str, Any], seen: Any, count: int, where: str) -> list[Any]:
    """Returns the masks of the environments of a vector environment; None where there is none.

    Args:
        infos: The infos of all environments.
        seen: The masks in their observations, which count where there is none in `infos`; None without any.
        count: The number of environments.
        where: The environment, for the message.

    Raises:
        UserError: There is another number of masks in `infos`.
    """
    masks = infos.get(ACTION_MASK)
    if masks is None:
        return list(seen)
    if len(masks) != count:
        raise UserError(
            f"{where}: the action mask gave {described(masks)}; expected {count} masks; change the environment"
        )
    told = np.asarray(infos.get("_" + ACTION_MASK, np.ones(count, bool)), bool)
    return [
        masks[i] if told[i] and masks[i] is not None else None if seen is None else seen[i]
        for i in range(count)
    ]


def forbidden_rows(masks: Sequence[Any], branches: Sequence[int], where: str) -> np.ndarray:
    """Returns n masks as one table with True = forbidden, (n, sum of branches).

    Args:
        masks: Each in any form of `flat_mask`; None allows everything.
        branches: The number of actions of each branch.
        where: See `flat_mask`.

    Raises:
        UserError: See `flat_mask`.
    """
    forbidden = np.zeros((len(masks), sum(branches)), bool)
    for row, mask in enumerate(masks):
        if mask is not None:
            forbidden[row] = flat_mask(mask, branches, where) == 0
    return forbidden


def holds_mask(space: Space, branches: Sequence[int] | None) -> bool:
    """Whether observations of a space hold a mask of the actions: zeros and ones, one per action, as `action_mask`."""
    part = space.spaces.get(ACTION_MASK) if isinstance(space, spaces.Dict) else None
    if not branches or part is None or part.shape is None or math.prod(part.shape) != sum(branches):
        return False
    match part:
        case spaces.MultiBinary():
            return True
        case spaces.MultiDiscrete():
            return bool((part.nvec == 2).all() and (part.start == 0).all())
        case spaces.Box():
            return bool((part.low == 0).all() and (part.high == 1).all())
    return False


def without_mask(observation: Any, space: Space, branches: Sequence[int]) -> tuple[Any, Any]:
    """Returns an observation as its space describes it, and the mask that came in it; None if none did.

    Args:
        observation: One observation, or a batch of them.
        space: The space of one observation. What the policy sees may have a mask in it or not.
        branches: The number of actions of each branch.
    """
    is_masked = isinstance(observation, Mapping) and ACTION_MASK in observation
    if not is_masked:
        return observation, None
    if isinstance(space, spaces.Dict) and ACTION_MASK in space.spaces:
        return observation, observation[ACTION_MASK] if holds_mask(space, branches) else None
    rest = {key: part for key, part in observation.items() if key != ACTION_MASK}
    alone = OBSERVATION in rest and not isinstance(space, spaces.Dict)
    return rest[OBSERVATION] if alone else rest, observation[ACTION_MASK]


def masks_by_branch(masks: Any, one: bool, branches: Sequence[int], where: str) -> Any:
    """Returns the masks of one agent or of n as one table for each branch, (n, choices), with True = forbidden.

    Args:
        masks: One mask in any form of `flat_mask`, or n of them; None and such tables are returned as they are.
        one: Whether it is the mask of one agent.
        branches: The number of actions of each branch.
        where: See `flat_mask`.

    Raises:
        UserError: See `flat_mask`.
    """
    if masks is None or not branches or _is_by_branch(masks):
        return masks
    rows = [masks] if one else list(masks)
    return by_branch(forbidden_rows(rows, branches, where), branches)


def by_branch(masks: np.ndarray, branches: Sequence[int]) -> list[np.ndarray]:
    """Returns masks of all actions, (..., sum of branches), as one array for each branch, (..., actions of it)."""
    return np.split(masks, np.cumsum(branches)[:-1], axis=-1)


def _is_by_branch(masks: Any) -> bool:
    try:
        return len(masks) > 0 and all(not isinstance(part, tuple) and np.ndim(part) == 2 for part in masks)
    except (TypeError, ValueError):  # no list, or rows of different lengths
        return False
