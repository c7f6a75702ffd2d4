"""Settings that are read without an error and may still be a mistake, and files for another command."""

from collections.abc import Iterator

from gym_adapters.commands import module_command
from gym_adapters.errors import UserError
from trainers.config.base import suggestion
from trainers.config.behavior import BehaviorSettings
from trainers.config.run import RunSettings


def check_trainer_type(settings: RunSettings, trainer_type: str) -> None:
    """Require that every behavior has the type that a command trains (``python -m trainers.a2c``).

    Raises:
        UserError: The message names the key, and the command that trains what the file says.
    """
    entries = {f"behaviors.{name}": behavior for name, behavior in settings.behaviors.items()}
    if settings.default_settings is not None:
        entries = {"default_settings": settings.default_settings, **entries}
    prefix = f"{settings.source}: " if settings.source else ""
    for path, behavior in entries.items():
        if behavior.trainer_type != trainer_type:
            raise UserError(
                f"{prefix}{path}.trainer_type is {behavior.trainer_type}, but this command trains {trainer_type}; "
                f"change the key, or use {module_command('trainers')}, which trains what the file says"
            )


def doubts(settings: RunSettings) -> list[str]:
    """Return a line for each setting that training accepts and that may be a mistake."""
    return [*_missing_evaluations(settings), *_endless_lessons(settings)]


def _missing_evaluations(settings: RunSettings) -> Iterator[str]:
    named = {f"behaviors.{name}": behavior for name, behavior in settings.behaviors.items()}
    if settings.default_settings is not None and not named:
        named["default_settings"] = settings.default_settings
    for path, behavior in named.items():
        interval, episodes = behavior.evaluation_freq, behavior.evaluation_episodes
        if interval is not None and interval > behavior.max_steps:
            yield (
                f"{path}.evaluation_freq is {interval:,} and max_steps {behavior.max_steps:,}, so that nothing is "
                "evaluated and there is no best checkpoint"
            )
        if interval is None and episodes != BehaviorSettings.model_fields["evaluation_episodes"].default:
            yield f"{path}.evaluation_episodes is {episodes:,}, but nothing is evaluated without evaluation_freq"


def _endless_lessons(settings: RunSettings) -> list[str]:
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
