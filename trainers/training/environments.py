"""Makes the environment of a training file."""

import logging
from typing import Any

from mlagents_envs.base_env import BaseEnv

from bridge.process import is_env_id, looks_like_player
from gym_adapters.errors import UserError
from gym_adapters.make import SEED_LIMIT, make_env
from gym_adapters.pettingzoo import GROUPED, is_pettingzoo
from gym_adapters.roles import TEAMS
from gym_adapters.trust import needs_trust
from trainers.config import EnvSettings, RunSettings

logger = logging.getLogger(__name__)


def make_environment(settings: RunSettings) -> BaseEnv:
    """Make the environment that `env_settings` describes.

    `env_path` is the file of a Unity player or a Gymnasium id. Without it, the environment is the Unity Editor.

    Args:
        settings: the resolved training file; `env_settings.seed` must be set.

    Raises:
        UserError: there is no such environment, or it does not support the settings.
    """
    env = settings.env_settings
    if settings.checkpoint_settings.resume:
        logger.info("--resume starts %s", _named(env))
    if not is_env_id(env.env_path):
        from bridge.make import make_unity

        return make_unity(settings)
    if settings.environment_parameters:
        raise UserError(
            f"environment_parameters: {env.env_path} is a Gymnasium environment and takes none; remove the block "
            "or use env_settings.env_options"
        )
    return make_env(env.env_path, env.num_envs, env.seed, environment_options(settings, env.env_path))


def own_environment(settings: RunSettings, rank: int) -> RunSettings:
    """Return the settings for the environments of one rank.

    The environments and players of all ranks are numbered through, so that no two have the same seed or port.

    Raises:
        UserError: several ranks would wait for the one Unity Editor.
    """
    env = settings.env_settings
    if rank == 0:
        return settings
    if env.env_path is None:
        raise UserError(
            "the Unity Editor connects to one trainer only; with several ranks, use --env with a built player"
        )
    first = rank * env.num_envs
    own = env.numbered_from(first, (env.seed + first) % (SEED_LIMIT - env.num_envs))
    return settings.model_copy(update={"env_settings": own})


def environment_options(settings: RunSettings, env_id: str) -> dict[str, Any]:
    """Return the options of an environment.

    PettingZoo's agents form groups for algorithms that learn for groups, and teams for self-play, unless it says other.
    """
    options = dict(settings.env_settings.env_options)
    behaviors = settings.behavior_blocks.values()
    if is_pettingzoo(env_id) and any(behavior.hyperparameters.for_groups for behavior in behaviors):
        options.setdefault(GROUPED, True)
    if is_pettingzoo(env_id) and any(behavior.self_play is not None for behavior in behaviors):
        options.setdefault(TEAMS, True)
    return options


def _named(env: EnvSettings) -> str:
    """Return what is started for an environment, with every control code escaped."""
    if env.env_path is None:
        return "nothing; it waits for the Unity Editor"
    if looks_like_player(env.env_path):
        return f"the Unity player {' '.join(map(repr, (env.env_path, *(env.env_args or ()))))}"
    asked = needs_trust(env.env_path, env.env_options)
    return f"the Gymnasium environment {env.env_path!r}{f', which will {asked}' if asked else ''}"
