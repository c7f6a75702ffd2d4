"""Makes the environment of a training file, and finds the training file of an environment id."""

import logging
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from mlagents_envs.base_env import BaseEnv

from bridge.process import looks_like_player
from gym_adapters.errors import UserError, close_reported
from gym_adapters.make import SEED_LIMIT, Kind, behavior_name, env_kind, make_env
from gym_adapters.pettingzoo import GROUPED, TEAMS, is_pettingzoo
from gym_adapters.trust import needs_trust
from trainers.config import EnvSettings, RunSettings, catalogue
from trainers.config.base import one_of

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
    if env.env_path is None or looks_like_player(env.env_path):
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


def tuned_file(env_id: str, trainer_type: str, options: Mapping[str, Any] | None = None) -> Path | None:
    """Return the training file tuned for a Gymnasium id, or else the default one of its kind.

    The files are `unity_configs/<trainer_type>/<behavior name>.yaml` and `unity_configs/<trainer_type>/<kind>.yaml`.
    The kind is `continuous` or `discrete` by the actions, or `image` if any observation is an image.

    Args:
        env_id: the id.
        trainer_type: the algorithm.
        options: options of the environment, without which it may have other spaces, or none.

    Returns:
        The path; None for a Unity player, and for an algorithm of another package, which has no such folder.

    Raises:
        UserError: the id is not known, or the algorithm does not support its kind.
    """
    folder = _folder(trainer_type)
    if looks_like_player(env_id) or not folder.is_dir():
        return None
    own = folder / f"{behavior_name(env_id)}.yaml"
    if own.is_file():
        return own
    probe = make_env(env_id, num_envs=1, options=options)
    try:
        kind = env_kind(probe)
    finally:
        close_reported(probe.close)
    path = folder / f"{kind}.yaml"
    if not path.is_file():
        fitting = [name for name in catalogue.algorithm_names() if (_folder(name) / path.name).is_file()]
        raise UserError(
            f"{env_id} has {kind} actions, which trainer_type {trainer_type} cannot learn; use {one_of(fitting)}"
        )
    return path


def tuned_files(trainer_type: str) -> list[Path]:
    """Return the training files of single tasks, sorted by name."""
    return [path for path in sorted(_folder(trainer_type).glob("*.yaml")) if path.stem not in get_args(Kind)]


def _folder(trainer_type: str) -> Path:
    return Path(str(resources.files("unity_configs"))) / trainer_type
