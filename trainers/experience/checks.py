"""Checks of what an environment sends."""

from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

import numpy as np
from mlagents_envs.base_env import BehaviorSpec, DecisionSteps, TerminalSteps

from gym_adapters.errors import UserError
from gym_adapters.floats import as_floats
from gym_adapters.values import as_numbers, described, repeated

Steps = TypeVar("Steps", DecisionSteps, TerminalSteps)
FLOAT, BYTE = np.dtype(np.float32), np.dtype(np.uint8)


def checked_specs(specs: Any) -> dict[str, BehaviorSpec]:
    """Return the behaviors of an environment.

    Args:
        specs: its `behavior_specs`.

    Raises:
        UserError: it is no mapping of names to `BehaviorSpec`s.
    """
    if not isinstance(specs, Mapping):
        raise UserError(f"the environment's behavior_specs is {described(specs)}; expected a BehaviorMapping")
    for name, spec in specs.items():
        if not isinstance(name, str) or not isinstance(spec, BehaviorSpec):
            raise UserError(
                f"the environment's behavior_specs[{name!r}] is {described(spec)}; expected a name and a BehaviorSpec"
            )
    return dict(specs)


def require_learnable(behavior: str, spec: BehaviorSpec) -> None:
    """Require that a behavior has observations and actions.

    Raises:
        UserError: it has none, or a size is not a positive integer.
    """
    shapes, actions = [tuple(one.shape) for one in spec.observation_specs], spec.action_spec
    if not shapes or not all(shape and all(_is_size(size) for size in shape) for shape in shapes):
        raise UserError(
            f"behavior {behavior}: observations of shape {', '.join(map(str, shapes)) or 'none'}; expected at least "
            "one, with positive sizes; change its observation_specs"
        )
    branches = tuple(actions.discrete_branches)
    sizes = (*branches, *([actions.continuous_size] if actions.continuous_size else []))
    if not sizes or not all(_is_size(size) for size in sizes):
        raise UserError(
            f"behavior {behavior}: {actions.continuous_size} continuous actions and discrete branches {branches}; "
            "expected at least one action, and branches of 1 or more; change its action_spec"
        )


def require_same(behavior: str, spec: BehaviorSpec, before: BehaviorSpec) -> None:
    """Require that a behavior has the observations and actions that it had before.

    Raises:
        UserError: a shape or the actions have changed.
    """
    if spec is not before and _sizes(spec) != _sizes(before):
        raise UserError(
            f"behavior {behavior}: its observations and actions changed from {_sizes(before)} to {_sizes(spec)}; they "
            "must stay the same during a run; give the changed agents another behavior name"
        )


def checked_pair(behavior: str, steps: Any) -> tuple[DecisionSteps, TerminalSteps]:
    """Return what `BaseEnv.get_steps` returned.

    Raises:
        UserError: it is not a `DecisionSteps` and a `TerminalSteps`.
    """
    if (
        isinstance(steps, tuple | list)
        and len(steps) == 2
        and isinstance(steps[0], DecisionSteps)
        and isinstance(steps[1], TerminalSteps)
    ):
        return steps[0], steps[1]
    came = (
        ", ".join(type(part).__name__ for part in steps)
        if isinstance(steps, tuple | list)
        else described(steps)
    )
    raise UserError(
        f"behavior {behavior}: get_steps() returned {came or 'nothing'}; expected a DecisionSteps and a TerminalSteps"
    )


class StepsChecker:
    """Checks the steps of one behavior, and gives their arrays one form.

    Arrays may be lists, and numbers may have any real type. Observations become float32, vectors with numbers
    that float32 merges float64, and images of bytes stay uint8. Groups may be None.

    Args:
        behavior: its name, for messages.
        spec: its observations.
    """

    def __init__(self, behavior: str, spec: BehaviorSpec) -> None:
        self._behavior = behavior
        self._shapes = [tuple(observation.shape) for observation in spec.observation_specs]
        self._spec = spec
        self._images: dict[int, np.dtype] = {}

    def checked(self, steps: Steps) -> Steps:
        """Return steps whose arrays fit the spec.

        Raises:
            UserError: an array has another shape or type, a number is NaN or infinite, an id is there twice, or an
                image has changed from bytes to floats or back. The message names the behavior and the place.
        """
        if not self._fits(steps):
            steps = self._converted(steps)
        twice = repeated(steps.agent_id)
        if twice is not None:
            self._refuse(steps, "agent_id", f"has agent {twice} twice", "each agent once", "its agent ids")
        self._require_finite(steps)
        return steps

    def _fits(self, steps: DecisionSteps | TerminalSteps) -> bool:
        """Whether all arrays have the right shapes and types."""
        if (
            type(steps.agent_id) is not np.ndarray
            or type(steps.obs) is not list
            or len(steps.obs) != len(self._shapes)
        ):
            return False
        row = steps.agent_id.shape
        if len(row) != 1 or steps.agent_id.dtype.kind != "i":
            return False
        for index, (array, shape) in enumerate(zip(steps.obs, self._shapes, strict=True)):
            if type(array) is not np.ndarray or array.shape != row + shape:
                return False
            if array.dtype is not FLOAT and array.dtype != FLOAT and (array.dtype != BYTE or len(shape) != 3):
                return False
            if len(shape) == 3 and self._images.get(index) != array.dtype and row[0]:
                return False
        for array in (steps.reward, steps.group_reward):
            if type(array) is not np.ndarray or array.shape != row or array.dtype != FLOAT:
                return False
        if (
            type(steps.group_id) is not np.ndarray
            or steps.group_id.shape != row
            or steps.group_id.dtype.kind != "i"
        ):
            return False
        if isinstance(steps, DecisionSteps):
            return True
        interrupted = steps.interrupted
        return type(interrupted) is np.ndarray and interrupted.shape == row and interrupted.dtype == np.bool_

    def _converted(self, steps: Steps) -> Steps:
        ids = as_numbers(steps.agent_id)
        if ids is None or ids.ndim != 1 or (len(ids) and ids.dtype.kind not in "iu"):
            self._refuse(
                steps,
                "agent_id",
                f"is {described(steps.agent_id)}",
                "one integer per agent",
                "what get_steps() returns",
            )
        count = len(ids)
        if not count:
            empty: Steps = type(steps).empty(self._spec)
            return empty
        obs = steps.obs
        if not isinstance(obs, list | tuple) or len(obs) != len(self._shapes):
            came = f"{len(obs)} arrays" if isinstance(obs, list | tuple) else described(obs)
            self._refuse(
                steps, "obs", f"is {came}", f"a list of {len(self._shapes)} arrays", "it or the spec"
            )
        arrays = [self._observation(steps, index, count) for index in range(len(obs))]
        reward = self._column(steps, "reward", steps.reward, count, np.float32)
        group_id = self._column(steps, "group_id", steps.group_id, count, np.int64, "biu", optional=True)
        group_reward = self._column(
            steps, "group_reward", steps.group_reward, count, np.float32, optional=True
        )
        ids = ids.astype(np.int64)
        if isinstance(steps, DecisionSteps):
            return DecisionSteps(arrays, reward, ids, steps.action_mask, group_id, group_reward)
        interrupted = self._column(steps, "interrupted", steps.interrupted, count, np.bool_, "biu")
        return TerminalSteps(arrays, reward, interrupted, ids, group_id, group_reward)

    def _observation(self, steps: DecisionSteps | TerminalSteps, index: int, count: int) -> np.ndarray:
        what, value, shape = f"observation {index}", steps.obs[index], (count, *self._shapes[index])
        array, is_image = as_numbers(value), len(shape) == 4
        if array is None or array.shape != shape:
            came = described(value) if array is None else f"of shape {array.shape}"
            self._refuse(
                steps, what, f"is {came}", f"numbers of shape {shape}, (agents, ...)", "it or the spec"
            )
        if is_image and array.dtype.kind in "iu" and array.dtype != BYTE:
            self._refuse(
                steps,
                what,
                f"is an image of type {array.dtype}",
                "uint8 from 0 to 255 or float32 from 0 to 1",
                "its type",
            )
        if len(shape) == 2:
            return as_floats(array)
        kind = BYTE if is_image and array.dtype == BYTE else FLOAT
        if is_image and self._images.setdefault(index, kind) != kind:
            self._refuse(
                steps,
                what,
                f"is {kind} and was {self._images[index]} before",
                "one type during a run",
                "its type",
            )
        with np.errstate(over="ignore"):  # an infinite number is refused later
            return array.astype(kind, copy=False)

    def _column(
        self,
        steps: DecisionSteps | TerminalSteps,
        what: str,
        value: Any,
        count: int,
        dtype: type,
        kinds: str = "biuf",
        optional: bool = False,
    ) -> np.ndarray:
        if value is None and optional:
            return np.zeros(count, dtype)
        array = as_numbers(value)
        if array is None or array.shape != (count,) or array.dtype.kind not in kinds:
            shape = "" if array is None else f" of shape {array.shape}"
            self._refuse(
                steps,
                what,
                f"is {described(value)}{shape}",
                f"{count} {'numbers' if 'f' in kinds else 'integers or bools'}, one per agent",
                "what get_steps() returns",
            )
        with np.errstate(over="ignore"):
            return array.astype(dtype)

    def _require_finite(self, steps: DecisionSteps | TerminalSteps) -> None:
        arrays = [
            ("observation", index, array) for index, array in enumerate(steps.obs) if array.dtype != np.uint8
        ]
        arrays += [("reward", 0, steps.reward), ("group reward", 0, steps.group_reward)]
        for what, index, array in arrays:
            if not np.isfinite(array).all():
                row, *place = np.argwhere(~np.isfinite(array))[0].tolist()
                where = f"{what} {index}, element {place}" if place else what
                raise UserError(
                    f"behavior {self._behavior}, agent {steps.agent_id[row]}: {where} is {array[(row, *place)]}; "
                    "expected a finite number of at most 3.4e38; check what the environment computes"
                )

    def _refuse(
        self, steps: DecisionSteps | TerminalSteps, what: str, came: str, expected: str, change: str
    ) -> NoReturn:
        raise UserError(
            f"behavior {self._behavior}, {type(steps).__name__}: {what} {came}; expected {expected}; change {change}"
        )


def _is_size(size: Any) -> bool:
    return isinstance(size, int | np.integer) and bool(size > 0)


def _sizes(spec: BehaviorSpec) -> tuple[list[tuple[int, ...]], int, tuple[int, ...]]:
    actions = spec.action_spec
    shapes = [tuple(observation.shape) for observation in spec.observation_specs]
    return shapes, actions.continuous_size, tuple(actions.discrete_branches)
