"""Starts one Unity player from keyword arguments, for other trainers."""

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from mlagents_envs.base_env import BaseEnv

from bridge.environment_parameters import check_names
from bridge.gym_spaces import check_several
from bridge.make import player_options
from bridge.unity_env import UnityEnv
from gym_adapters.errors import UserError
from gym_adapters.make import SEED_LIMIT
from trainers.config import EngineSettings, load_settings

PLAYER = ("seed", "base_port", "num_areas", "env_args", "timeout_wait", "listen", "reorder_raw_images")
"""The keys of `env_settings` that are about one player."""
ENGINE = tuple(key for key in EngineSettings.model_fields if key != "no_graphics_monitor")
RENDER_MODE = "render_mode"
Made = TypeVar("Made")

logger = logging.getLogger(__name__)


def start_player(
    env_path: str | Path | None = None,
    *,
    environment_parameters: Mapping[str, Any] | None = None,
    seed: int | None = None,
    **settings: Any,
) -> UnityEnv:
    """Start a built player, or wait for the Editor, until it has connected.

    Args:
        env_path: The player; None is the Editor, in which a person presses Play.
        environment_parameters: Numbers or samplers of the training file's block of this name, without lessons.
        seed: The player's seed, which it gets at its start only; None draws one.
        settings: Keys of the training file's `env_settings` and `engine_settings`: `base_port`, `num_areas`,
            `env_args`, `timeout_wait`, `time_scale`, `no_graphics`, `width` and so on.

    Raises:
        UserError: A key is unknown or has a wrong value, or the player does not start.
    """
    unknown = sorted(set(settings) - {*PLAYER, *ENGINE})
    if unknown:
        raise UserError(
            f"unknown option {unknown[0]!r} of a Unity player; there are {', '.join((*PLAYER, *ENGINE))}"
        )
    drawn = int(np.random.default_rng().integers(SEED_LIMIT)) if seed is None else seed
    values = {"seed": drawn, **settings, **({} if env_path is None else {"env_path": str(env_path)})}
    run = load_settings(
        {
            "env_settings": {key: value for key, value in values.items() if key not in ENGINE},
            "engine_settings": {key: value for key, value in values.items() if key in ENGINE},
            "environment_parameters": {} if environment_parameters is None else environment_parameters,
        }
    )
    sent = {}
    for name, parameter in (run.environment_parameters or {}).items():
        if len(parameter.curriculum) > 1:
            raise UserError(
                f"environment_parameters.{name}: lessons are for a training file; give a number or a sampler"
            )
        sent[name] = parameter.curriculum[0].value
    check_names(sent)
    env = UnityEnv(replace(player_options(run, 0), log_folder=None))
    env.set_parameters(sent)
    return env


def take_seed(env: BaseEnv, seed: int | None) -> None:
    """Say, once, that the seed of `reset` does not reach the environment, unless it is the one that it started with."""
    if seed is not None and not (isinstance(env, UnityEnv) and env.options.seed == seed):
        _say_unseeded()


@cache
def _say_unseeded() -> None:
    logger.warning(
        "reset(seed=...) seeds np_random only: a Unity player takes its seed at its start; pass seed=... when you make "
        "the environment"
    )


def over_player(made: Callable[..., Made], env_path: str | Path | None, options: Mapping[str, Any]) -> Made:
    """Start a player and make an environment of it; end the player if that fails.

    Args:
        made: The environment's class, whose first argument is the player.
        env_path: See `start_player`.
        options: The other arguments of `made` and of `start_player`, by name. A `render_mode`, which some trainers give
            to every environment, has no effect: a player draws its own window.
    """
    _, *arguments = inspect.signature(made).parameters
    own = {name: options[name] for name in arguments if name in options}
    check_several(own.get("observations", "dict"))
    given = {name: value for name, value in options.items() if name not in own and name != RENDER_MODE}
    env = start_player(env_path, **given)
    try:
        return made(env, **own)
    except BaseException:
        env.close()
        raise
