"""Checks what a Gymnasium environment returns, before a vector environment batches it."""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import gymnasium
import numpy as np
from gymnasium import Space, spaces
from gymnasium.envs.registration import EnvSpec, load_env_creator

from gym_adapters.errors import UserError
from gym_adapters.masks import ACTION_MASK, branches_of, flat_mask, holds_mask
from gym_adapters.values import PLAIN_FLAGS, PLAIN_NUMBERS, as_numbers, described, one_flag, one_number


def checked_spec(spec: EnvSpec) -> EnvSpec:
    """Returns a spec whose environments name what is wrong when `step` or `reset` gives another number of values.

    Gymnasium's own wrappers, such as `TimeLimit`, unpack these values, so the check is next to the environment.
    Gymnasium's checker is left out, because `CheckedResults` takes its place.
    """
    checked = copy.deepcopy(spec)
    checked.disable_env_checker = True
    entry = spec.entry_point
    if entry is None:
        return checked

    def create(**options: Any) -> Any:
        env = (entry if callable(entry) else load_env_creator(entry))(**options)
        return WholeResults(env) if isinstance(env, gymnasium.Env) else env  # Gymnasium refuses others

    # Gymnasium reads the render modes of the class.
    metadata = getattr(entry if callable(entry) else load_env_creator(entry), "metadata", None)
    if isinstance(metadata, dict):
        create.metadata = metadata  # type: ignore[attr-defined]
    checked.entry_point = create
    return checked


class WholeResults(gymnasium.Wrapper):
    """Requires that `step` returns five values and `reset` two, and that `info` is a dictionary."""

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """See `gymnasium.Env.step`.

        Raises:
            UserError: Another number of values came, or `info` is no dictionary.
        """
        result = self.env.step(action)
        if not (isinstance(result, tuple | list) and len(result) == 5 and isinstance(result[4], dict)):
            self._refuse("step", result, "observation, reward, terminated, truncated, info")
        return result

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """See `gymnasium.Env.reset`.

        Raises:
            UserError: Another number of values came, `info` is no dictionary, or `reset` takes no seed or no options.
        """
        try:
            result = self.env.reset(seed=seed, options=options)
        except TypeError as error:
            if not re.search(r"reset\(\) got an unexpected keyword argument '(seed|options)'", str(error)):
                raise
            raise UserError(
                f"environment {_name(self)}: {error}; begin it with def reset(self, *, seed=None, options=None) and "
                "super().reset(seed=seed)"
            ) from error
        if not (isinstance(result, tuple | list) and len(result) == 2 and isinstance(result[1], dict)):
            self._refuse("reset", result, "observation, info")
        return result

    def _refuse(self, method: str, result: Any, expected: str) -> NoReturn:
        where, count = f"environment {_name(self)}: {method}()", expected.count(",") + 1
        if isinstance(result, tuple | list) and len(result) == count:
            raise UserError(
                f"{where} returned {described(result[-1])} as info; expected a dictionary; return {{}} if there is "
                "nothing to tell"
            )
        came = f"{len(result)} values" if isinstance(result, tuple | list) else described(result)
        raise UserError(f"{where} returned {came}; expected {count} values: {expected}; change {method}()")


class CheckedResults(gymnasium.Wrapper):
    """Requires that results fit the environment's spaces, and gives them in one form.

    Observations that hold the right numbers in another form, such as a list, are converted. The last observation of
    an episode is a copy, since many environments write the next episode into the same array. Of `info`, only the
    action mask is passed on. Without one, a mask in a `Dict` observation counts, which stays there too.

    Args:
        env: The environment, with all of its wrappers.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self._where = f"environment {_name(env)}"
        self._space = env.observation_space
        is_box = isinstance(self._space, spaces.Box)
        self._shape = self._space.shape if is_box else None
        self._dtype = self._space.dtype
        self._branches = branches_of(env.action_space)
        self._holds_mask = holds_mask(self._space, self._branches)

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """See `gymnasium.Env.step`.

        Raises:
            UserError: A result does not fit the observation space, or is not what Gymnasium defines.
        """
        observation, reward, terminated, truncated, info = self.env.step(action)
        observation = self._fitted(observation)
        if type(reward) not in PLAIN_NUMBERS:
            reward = self._number(reward)
        if type(terminated) not in PLAIN_FLAGS:
            terminated = self._flag("terminated", terminated)
        if type(truncated) not in PLAIN_FLAGS:
            truncated = self._flag("truncated", truncated)
        if terminated or truncated:
            observation = copy.deepcopy(observation)
        return observation, reward, terminated, truncated, self._used(info, observation)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """See `gymnasium.Env.reset`.

        Raises:
            UserError: The observation does not fit the observation space.
        """
        observation, info = self.env.reset(seed=seed, options=options)
        observation = self._fitted(observation)
        return observation, self._used(info, observation)

    def _fitted(self, observation: Any) -> Any:
        if (
            type(observation) is np.ndarray
            and observation.shape == self._shape
            and observation.dtype == self._dtype
        ):
            return observation
        return fitted(self._space, observation, f"{self._where}: observation")

    def _number(self, reward: Any) -> float:
        number = one_number(reward)
        if number is None:
            raise UserError(
                f"{self._where}: the reward is {described(reward)}; expected one number; change step()"
            )
        return number

    def _flag(self, what: str, value: Any) -> bool:
        flag = one_flag(value)
        if flag is None:
            raise UserError(
                f"{self._where}: {what} is {described(value)}; expected True or False; change step()"
            )
        return flag

    def _used(self, info: dict[str, Any], observation: Any) -> dict[str, Any]:
        mask = info.get(ACTION_MASK)
        if mask is None and self._holds_mask:
            mask = observation[ACTION_MASK]
        if mask is None:
            return {}
        if self._branches is not None:
            mask = flat_mask(mask, self._branches, self._where)
        return {ACTION_MASK: mask}


def fitted(space: Space, value: Any, where: str) -> Any:
    """Returns an observation in the form of a space.

    Args:
        space: The observation space. Values of kinds of spaces that are not supported are returned as they are.
        value: What an environment returned.
        where: The environment and the part of the observation, for the message.

    Raises:
        UserError: The value does not hold numbers of the space's shape and type. Bounds are not checked.
    """
    match space:
        case spaces.Dict():
            if not isinstance(value, Mapping):
                _refuse(where, described(value), f"a dictionary with the keys {_keys(space.spaces)}")
            if value.keys() != space.spaces.keys():
                _refuse(
                    where, f"a dictionary with the keys {_keys(value)}", f"the keys {_keys(space.spaces)}"
                )
            return {key: fitted(child, value[key], f"{where} {key!r}") for key, child in space.spaces.items()}
        case spaces.Tuple():
            if not isinstance(value, Sequence) or len(value) != len(space.spaces):
                _refuse(where, described(value), f"a tuple of {len(space.spaces)}")
            return tuple(
                fitted(child, value[index], f"{where}[{index}]") for index, child in enumerate(space.spaces)
            )
        case spaces.Box() | spaces.Discrete() | spaces.MultiDiscrete() | spaces.MultiBinary():
            return _fitted_array(space, value, where)
    return value


def _fitted_array(space: Space, value: Any, where: str) -> np.ndarray:
    shape, dtype = space.shape or (), np.dtype(space.dtype)
    array = as_numbers(value)
    if array is None or array.shape != shape:
        came = described(value) if array is None else f"{described(value)} of shape {array.shape}"
        _refuse(where, came, f"numbers of shape {shape} and type {dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        converted: np.ndarray = array.astype(dtype)
    if dtype.kind != "f" and not np.array_equal(converted, array):
        _refuse(where, f"{described(value)} of type {array.dtype}", f"numbers of type {dtype}")
    return converted


def _refuse(where: str, came: str, expected: str) -> NoReturn:
    raise UserError(
        f"{where} is {came}; expected {expected}, as its observation_space says; change one of the two"
    )


def _keys(mapping: Mapping[Any, Any]) -> str:
    return ", ".join(map(repr, mapping)) or "none"


def _name(env: gymnasium.Env) -> str:
    return repr(env.spec.id) if env.spec is not None else str(env)
