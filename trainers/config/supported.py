"""Settings that a training file may have and that this trainer does not support yet."""

from collections.abc import Iterator

from gym_adapters.commands import module_command
from gym_adapters.errors import UserError
from trainers.config.base import suggestion
from trainers.config.behavior import BehaviorSettings
from trainers.config.run import RunSettings


def check_supported(settings: RunSettings, trainer_type: str | None = None) -> None:
    """Raise an error that names all settings that this trainer or this command does not support.

    Args:
        settings: What to check.
        trainer_type: The only type that the command trains (``python -m trainers.a2c``). None: every type.

    Raises:
        UserError: The message names each key, what to do instead, and what is lost then.
    """
    found = refused(settings)
    if not found:
        prefix = f"{settings.source}: " if settings.source else ""
        for path, behavior in _entries(settings).items():
            if trainer_type not in (None, behavior.trainer_type):
                any_trainer = module_command("trainers")
                raise UserError(
                    f"{prefix}{path}.trainer_type is {behavior.trainer_type}, but this command trains "
                    f"{trainer_type}; change the key, or use {any_trainer}, which trains what the file says"
                )
        return
    raise UserError((f"{settings.source}: " if settings.source else "") + ". Also: ".join(found))


def refused(settings: RunSettings) -> list[str]:
    """Return a line for each setting that training would refuse. What a behavior inherits is named once."""
    found, inherited = [], set()
    for path, behavior in _entries(settings).items():
        for key, advice in _unsupported(behavior):
            if key not in inherited:
                found.append(f"{path}.{key} is not supported yet; {advice}")
            if path == "default_settings":
                inherited.add(key)
    return found


def doubts(settings: RunSettings) -> list[str]:
    """Return a line for each setting that training accepts and that may be a mistake."""
    if settings.default_settings is not None or not settings.behaviors:
        return []
    return [
        f"environment_parameters.{name}.curriculum: lesson {lesson.name} waits for behavior {criteria.behavior}, which "
        f"behaviors does not list; unless the scene has it, the lesson never ends"
        f"{suggestion(criteria.behavior, settings.behaviors)}"
        for name, parameter in (settings.environment_parameters or {}).items()
        for lesson in parameter.curriculum
        if (criteria := lesson.completion_criteria) is not None
        and criteria.behavior not in settings.behaviors
    ]


def _entries(settings: RunSettings) -> dict[str, BehaviorSettings]:
    entries = {f"behaviors.{name}": behavior for name, behavior in settings.behaviors.items()}
    if settings.default_settings is not None:
        entries = {"default_settings": settings.default_settings, **entries}
    return entries


def _unsupported(behavior: BehaviorSettings) -> Iterator[tuple[str, str]]:
    """Yield the key path of each unsupported setting, what to do instead, and what is lost then."""
    if behavior.network_settings.memory is not None:
        yield (
            "network_settings.memory",
            "remove it (the policy sees the present observation only; Stacked Vectors in Behavior Parameters shows it "
            "the last few)",
        )
