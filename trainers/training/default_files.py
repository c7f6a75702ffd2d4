"""The training file of a command that names none: the resumed run's own, or the one tuned for its environment."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from bridge.process import looks_like_player
from gym_adapters.errors import UserError, closed_after
from gym_adapters.make import Kind, behavior_name, env_kind, make_env
from trainers.config import catalogue, load_settings
from trainers.config.base import one_of
from trainers.config.loader import CONFIGURATION


def default_file(
    overrides: Sequence[str], options: Mapping[str, Any], trainer_type: str | None = None
) -> Path | None:
    """Return the training file of a command that names none: the resumed run's own, or that of the environment.

    Args:
        overrides: texts of `--set`, which may name the environment, the run and the algorithm.
        options: other options as settings.
        trainer_type: the command's algorithm; None: that of the settings.

    Returns:
        None without a run to resume and without an environment.
    """
    deciding = [text for text in overrides if _decides_the_file(text.partition("=")[0].strip())]
    # Several environments need an `env_path`, which may stand in the file that is yet to be found.
    settings = load_settings(None, [*deciding, "env_settings.num_envs=1"], options)
    checkpoints = settings.checkpoint_settings
    if checkpoints.resume and checkpoints.run_id is not None:
        own = checkpoints.folder / CONFIGURATION
        if own.is_file():
            return own
    env_path = settings.env_settings.env_path
    if env_path is None:
        return None
    behavior = settings.behaviors.get(behavior_name(env_path), settings.default_settings)
    kind = trainer_type or (behavior.trainer_type if behavior else catalogue.DEFAULT)
    return tuned_file(env_path, kind, settings.env_settings.env_options)


def _decides_the_file(key: str) -> bool:
    """Whether a `--set` of this key may change which training file is used."""
    return key.startswith(("env_settings.", "checkpoint_settings.")) or key.endswith(".trainer_type")


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
    with closed_after(make_env(env_id, num_envs=1, options=options)) as probe:
        kind = env_kind(probe)
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
