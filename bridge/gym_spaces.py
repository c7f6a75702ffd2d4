"""The observations and actions of a behavior as Gymnasium's spaces."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from gymnasium import Space, spaces
from mlagents_envs.base_env import ActionSpec, ActionTuple, BehaviorSpec

from bridge.declarations import plain_name
from gym_adapters.errors import UserError
from gym_adapters.masks import by_branch

Several = Literal["dict", "tuple"]
"""How several observations of one agent are given."""


def check_several(several: str) -> None:
    """Raise a `UserError` if this is no way in which several observations are given."""
    if several not in ("dict", "tuple"):
        raise UserError(f"observations={several!r}: expected 'dict' or 'tuple'")


class Observations:
    """The observations of one agent: a `Box`, or a `Dict` or `Tuple` of several.

    The keys of a `Dict` are the sensors' names, with the index where two sensors share one. uint8 is an image from 0 to
    255. Images are channel-first.

    Args:
        spec: The behavior.
        dtypes: The type of each observation.
        several: How several observations are given.

    Raises:
        UserError: `several` is another word.
    """

    def __init__(self, spec: BehaviorSpec, dtypes: Sequence[np.dtype], several: Several = "dict") -> None:
        check_several(several)
        boxes = [_box(part.shape, dtype) for part, dtype in zip(spec.observation_specs, dtypes, strict=True)]
        self._names = _unique([part.name for part in spec.observation_specs])
        self._several = several
        self.space: Space[Any]
        if len(boxes) == 1:
            self.space = boxes[0]
        elif several == "dict":
            self.space = spaces.Dict(dict(zip(self._names, boxes, strict=True)))
        else:
            self.space = spaces.Tuple(boxes)

    def of(self, arrays: Sequence[np.ndarray]) -> Any:
        """Return observations, or batches of them, in the form of the space."""
        if len(arrays) == 1:
            return arrays[0]
        return dict(zip(self._names, arrays, strict=True)) if self._several == "dict" else tuple(arrays)


class Actions:
    """The actions of one agent.

    Continuous actions are a `Box` from -1 to 1; others are clipped to it. One discrete branch is a `Discrete`, several
    are a `MultiDiscrete`. Both kinds together are a `Tuple` of the two.

    Args:
        name: The behavior, for messages.
        spec: Its actions.
    """

    def __init__(self, name: str, spec: ActionSpec) -> None:
        self._name, self._spec = plain_name(name), spec
        parts: list[Space[Any]] = []
        if spec.continuous_size:
            parts.append(spaces.Box(-1.0, 1.0, (spec.continuous_size,), np.float32))
        if spec.discrete_size:
            branches = spec.discrete_branches
            parts.append(
                spaces.Discrete(branches[0]) if len(branches) == 1 else spaces.MultiDiscrete(branches)
            )
        self.space = parts[0] if len(parts) == 1 else spaces.Tuple(parts)

    def rows(self, actions: Any, count: int) -> ActionTuple:
        """Return a batch of `count` actions as one `ActionTuple`.

        Raises:
            UserError: The batch has another shape, or an action that is not in the space.
        """
        spec = self._spec
        hybrid = spec.continuous_size > 0 and spec.discrete_size > 0
        if hybrid and not (isinstance(actions, tuple | list) and len(actions) == 2):
            raise UserError(
                f"behavior {self._name}: expected a pair of continuous and discrete actions, got {actions!r:.100}"
            )
        result = spec.empty_action(count)
        if spec.continuous_size:
            continuous = self._array(actions[0] if hybrid else actions, (count, spec.continuous_size), "iuf")
            if not np.isfinite(continuous).all():
                raise UserError(f"behavior {self._name}: a continuous action is not finite; check the policy")
            np.clip(continuous, -1.0, 1.0, out=result.continuous, casting="unsafe")
        if spec.discrete_size:
            shape = (count,) if spec.discrete_size == 1 else (count, spec.discrete_size)
            discrete = self._array(actions[1] if hybrid else actions, shape, "iu").reshape(count, -1)
            if ((discrete < 0) | (discrete >= np.array(spec.discrete_branches))).any():
                raise UserError(
                    f"behavior {self._name}: a discrete action lies outside its branches {spec.discrete_branches}"
                )
            result.discrete[:] = discrete
        return result

    def row(self, action: Any) -> ActionTuple:
        """Return one agent's action as an `ActionTuple` of one row; see `rows`."""
        if isinstance(self.space, spaces.Tuple) and isinstance(action, tuple | list):
            return self.rows(tuple(np.asarray(part)[None] for part in action), 1)
        return self.rows(np.asarray(action)[None], 1)

    def masks(self, allowed: np.ndarray) -> Any:
        """Return one agent's allowed choices as the discrete space's `sample` takes them: an array, or one per branch.

        Args:
            allowed: (choices,) over all branches.
        """
        parts = by_branch(allowed, self._spec.discrete_branches)
        return parts[0] if len(parts) == 1 else tuple(parts)

    def _array(self, given: Any, shape: tuple[int, ...], kinds: str) -> np.ndarray:
        array = np.asarray(given)
        if array.shape != shape or array.dtype.kind not in kinds:
            raise UserError(
                f"behavior {self._name}: expected actions of shape {shape}, got {array.dtype} of shape {array.shape}"
            )
        return array


def _box(shape: tuple[int, ...], dtype: np.dtype) -> spaces.Box:
    if dtype == np.uint8:
        return spaces.Box(0, 255, shape, np.uint8)
    return spaces.Box(-np.inf, np.inf, shape, dtype.type)


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names; one that is empty or occurs twice gets its index, and `_` if that is a name too."""
    counts = Counter(names)
    found: list[str] = []
    for index, name in enumerate(names):
        alone = bool(name) and counts[name] == 1
        key = name if alone else f"{name or 'observation'}_{index}"
        while not alone and (key in counts or key in found):
            key += "_"
        found.append(key)
    return found
