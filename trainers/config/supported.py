"""Settings that a training file may have and that this trainer does not support yet."""

from collections.abc import Iterator

from gym_adapters.commands import module_command
from gym_adapters.errors import UserError
from trainers.config import catalogue
from trainers.config.base import one_of
from trainers.config.behavior import BehaviorSettings
from trainers.config.run import RunSettings


def check_supported(settings: RunSettings, trainer_type: str | None = None) -> None:
    """Raise an error for the first setting that this trainer or this command does not support.

    Args:
        settings: What to check.
        trainer_type: The only type that the command trains (``python -m trainers.a2c``). None: every type.

    Raises:
        UserError: The message names the key and what to do instead.
    """
    entries = {f"behaviors.{name}": behavior for name, behavior in settings.behaviors.items()}
    if settings.default_settings is not None:
        entries = {"default_settings": settings.default_settings, **entries}
    prefix = f"{settings.source}: " if settings.source else ""
    for path, behavior in entries.items():
        for key, advice in _unsupported(behavior):
            raise UserError(f"{prefix}{path}.{key} is not supported yet; {advice}")
        if trainer_type not in (None, behavior.trainer_type):
            raise UserError(
                f"{prefix}{path}.trainer_type is {behavior.trainer_type}, but this command trains "
                f"{trainer_type}; change the key, or use {module_command('trainers')}, which trains what the file says"
            )


def _unsupported(behavior: BehaviorSettings) -> Iterator[tuple[str, str]]:
    """Yield the key path of each unsupported setting, and what to do instead."""
    trained = catalogue.algorithm_names(trained=True)
    if behavior.trainer_type not in trained:
        yield f"trainer_type: {behavior.trainer_type}", f"use {one_of(trained)}"
    for signal in behavior.reward_signals.active():
        if signal not in catalogue.signal_names(trained=True):
            yield f"reward_signals.{signal}", "remove it and keep extrinsic"
    if behavior.self_play is not None:
        yield "self_play", "remove it"
    if behavior.behavioral_cloning is not None:
        yield "behavioral_cloning", "remove it"
    if behavior.network_settings.memory is not None:
        yield "network_settings.memory", "remove it"
    if behavior.network_settings.vis_encode_type == "match3":
        yield "network_settings.vis_encode_type: match3", "use simple, nature_cnn, resnet or fully_connected"
