"""Functions of a user that make environments."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from gymnasium.vector import VectorEnv
from mlagents_envs.base_env import BaseEnv

from gym_adapters.errors import UserError
from trainers.config import RunSettings

MakeEnvironment = Callable[[RunSettings], BaseEnv]


def maker(argument: str, given: Any) -> MakeEnvironment | None:
    """Return the function from settings to environment that a user gave; None for an environment.

    Args:
        argument: the name of the argument, with which errors begin.
        given: the function; one without parameters is called without settings. What it makes must be a `BaseEnv`.

    Raises:
        UserError: it is neither, or needs other arguments.
    """
    if isinstance(given, BaseEnv):
        return None
    if not callable(given):
        raise UserError(
            f"{argument}: expected a BaseEnv, or a function that makes one, got {type(given).__name__}; "
            f"{_advice(given)}"
        )
    takes_settings = _takes_settings(argument, given)

    @functools.wraps(given)
    def make(settings: RunSettings) -> BaseEnv:
        made = given(settings) if takes_settings else given()
        if not isinstance(made, BaseEnv):
            raise UserError(
                f"{argument}: expected a function that makes a BaseEnv, it made {type(made).__name__}; "
                f"{_advice(made)}"
            )
        return made

    return make


def _advice(given: Any) -> str:
    """Return how what was given becomes a `BaseEnv`."""
    if isinstance(given, VectorEnv):
        return 'for this one write gym_adapters.VectorEnvAdapter(env, "Name")'
    return 'for a Gymnasium environment write gym_adapters.make_env("CartPole-v1", num_envs=8), with its id'


def _takes_settings(argument: str, function: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(function)
    except ValueError:  # functions in C may have none
        return True
    for arguments in ([None], []):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return bool(arguments)
    raise UserError(f"{argument}: expected a function of the settings or of nothing, got one of {signature}")
