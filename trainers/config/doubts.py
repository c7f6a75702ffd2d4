"""Settings that are read without an error and may still be a mistake, and files for another command."""

import os
from collections.abc import Iterator

from gym_adapters.commands import module_command
from gym_adapters.errors import UserError
from trainers.config.algorithm import NoiseSettings, QSettings
from trainers.config.base import suggestion
from trainers.config.behavior import BehaviorSettings
from trainers.config.environment_parameters import CompletionCriteria, MultiRangeUniformSampler
from trainers.config.off_policy import SACSettings
from trainers.config.on_policy import ActorCriticSettings
from trainers.config.run import RunSettings


def check_trainer_type(settings: RunSettings, trainer_type: str) -> None:
    """Require that every behavior has the type that a command trains (``python -m trainers.a2c``).

    Raises:
        UserError: The message names the key, and the command that trains what the file says.
    """
    prefix = f"{settings.source}: " if settings.source else ""
    for path, behavior in settings.behavior_blocks.items():
        if behavior.trainer_type != trainer_type:
            raise UserError(
                f"{prefix}{path}.trainer_type is {behavior.trainer_type}, but this command trains {trainer_type}; "
                f"change the key, or use {module_command('trainers')}, which trains what the file says"
            )


def doubts(settings: RunSettings) -> list[str]:
    """Return a line for each setting that training accepts and that may be a mistake."""
    blocks = settings.behavior_blocks
    if settings.behaviors:  # they contain what they inherit from the default
        blocks.pop("default_settings", None)
    judges = (
        _missing_evaluations,
        _unused_critic,
        _unused_exploration,
        _unused_correlation,
        _odd_bins,
        _other_discounts,
        _unused_rewards,
    )
    lines = [f"{path}.{line}" for path, one in blocks.items() for judge in judges for line in judge(one)]
    others = (_unrewarded, _untrained, _endless_lessons, _undrawn_intervals)
    return [*lines, *(line for judge in others for line in judge(settings))]


def needed_elsewhere(settings: RunSettings) -> list[str]:
    """Return a line for each thing that training needs and that may come with another folder or the command line.

    Without it, training refuses the file: a demonstration or a run to start from, and an environment to evaluate in.
    """
    lines, start = [], settings.checkpoint_settings.initialize_from
    for path, behavior in settings.behavior_blocks.items():
        signals = {f"reward_signals.{name}": one for name, one in behavior.reward_signals.active().items()}
        places = {
            f"{key}.demo_path": getattr(block, "demo_path", None)
            for key, block in {"behavioral_cloning": behavior.behavioral_cloning, **signals}.items()
        }
        of_run = start is not None and not os.path.dirname(str(behavior.init_path))  # noqa: PTH120 - as below
        if not of_run and not settings.checkpoint_settings.resume:
            places["init_path"] = behavior.init_path
        for key, place in places.items():
            if isinstance(place, str) and not place.startswith("minari:") and not os.path.exists(place):  # noqa: PTH110 - it raises nothing
                lines.append(f"{path}.{key}: {place}: no such file or folder here; training needs it")
        if behavior.evaluation_freq is not None and settings.env_settings.env_path is None:
            lines.append(
                f"{path}.evaluation_freq: the Unity Editor is only one environment; training needs --env with a built "
                "player, or a Gymnasium id"
            )
    run = start and os.path.join(settings.checkpoint_settings.results_dir, start)  # noqa: PTH118 - as above
    if start and not any(map(os.path.exists, (str(run), start))):
        lines.append(f"checkpoint_settings.initialize_from: {start}: no such run here; training needs it")
    return lines


def _missing_evaluations(behavior: BehaviorSettings) -> Iterator[str]:
    interval, episodes = behavior.evaluation_freq, behavior.evaluation_episodes
    if interval is not None and interval > behavior.max_steps:
        yield (
            f"evaluation_freq is {interval:,} and max_steps {behavior.max_steps:,}, so that nothing is evaluated and "
            "there is no best checkpoint"
        )
    if interval is None and episodes != BehaviorSettings.model_fields["evaluation_episodes"].default:
        yield f"evaluation_episodes is {episodes:,}, but nothing is evaluated without evaluation_freq"


def _unused_critic(behavior: BehaviorSettings) -> Iterator[str]:
    units, hyper = behavior.network_settings.critic_hidden_units, behavior.hyperparameters
    if units is not None and isinstance(hyper, ActorCriticSettings) and hyper.shared_critic:
        yield f"network_settings.critic_hidden_units is {units:,}, which has no effect with shared_critic"
    if units is not None and isinstance(hyper, QSettings):
        kind = behavior.trainer_type
        yield f"network_settings.critic_hidden_units is {units:,}, but trainer_type {kind} has no critic"


def _unused_exploration(behavior: BehaviorSettings) -> Iterator[str]:
    hyper = behavior.hyperparameters
    if not isinstance(hyper, QSettings):
        return
    first, last = hyper.exploration_initial_eps, hyper.exploration_final_eps
    if hyper.exploration_schedule == "linear" and last > first:
        yield (
            f"hyperparameters.exploration_final_eps is {last:g}, above exploration_initial_eps ({first:g}), where the "
            "probability then stays"
        )
    if hyper.exploration_raise_interval is None:
        for key in ("exploration_raise_eps", "exploration_raise_steps"):
            value = getattr(hyper, key)
            if value != QSettings.model_fields[key].default:
                yield f"hyperparameters.{key} is {value:g}, but there are no raises without exploration_raise_interval"


def _unused_correlation(behavior: BehaviorSettings) -> Iterator[str]:
    hyper = behavior.hyperparameters
    if isinstance(hyper, NoiseSettings) and hyper.noise_correlation_steps and not hyper.noise_correlation:
        yield (
            f"hyperparameters.noise_correlation_steps is {hyper.noise_correlation_steps:,}, but noise is independent "
            "without noise_correlation"
        )


def _odd_bins(behavior: BehaviorSettings) -> Iterator[str]:
    hyper = behavior.hyperparameters
    if not isinstance(hyper, SACSettings):
        return
    if hyper.critic_range is None and hyper.critic_bins != SACSettings.model_fields["critic_bins"].default:
        yield f"hyperparameters.critic_bins is {hyper.critic_bins:,}, which has no effect without critic_range"
    if hyper.critic_range is not None and not behavior.normalize_reward:
        yield (
            f"hyperparameters.critic_range is {hyper.critic_range:g}, and values beyond it count as its end; with "
            "normalize_reward: true few are"
        )


def _other_discounts(behavior: BehaviorSettings) -> Iterator[str]:
    (first, leading), *others = behavior.reward_signals.active().items()
    for name, signal in others if isinstance(behavior.hyperparameters, QSettings) else ():
        if signal.gamma != leading.gamma:
            yield (
                f"reward_signals.{name}.gamma is {signal.gamma:g}, but trainer_type {behavior.trainer_type} discounts "
                f"the value of all signals with that of {first} ({leading.gamma:g})"
            )


def _unused_rewards(behavior: BehaviorSettings) -> Iterator[str]:
    if behavior.reward_signals.extrinsic is None:
        for key in ("normalize_reward", "reward_clip"):
            if getattr(behavior, key):
                yield f"{key} has no effect without the reward signal extrinsic"


def _unrewarded(settings: RunSettings) -> Iterator[str]:
    """Beside `default_settings`, mlagents-learn adds `extrinsic` to signals that leave it out; alone, it does not."""
    default = settings.default_settings
    if default is None or default.reward_signals.extrinsic is None:
        return
    for name, behavior in settings.behaviors.items():
        if behavior.reward_signals.extrinsic is None:
            yield (
                f"behaviors.{name}.reward_signals leaves out extrinsic, so that the environment's rewards are not "
                "learned from; mlagents-learn takes it from default_settings, where it need not be written; to learn "
                "from them, write extrinsic: {}"
            )


def _untrained(settings: RunSettings) -> Iterator[str]:
    place = settings.checkpoint_settings
    begun = (
        place.resume
        or place.initialize_from
        or any(behavior.init_path for behavior in settings.behavior_blocks.values())
    )
    if place.inference and not begun:
        yield (
            "inference without resume or initialize_from: the policies that act have learned nothing; to watch a run, "
            "add --resume and its --run-id"
        )


def _endless_lessons(settings: RunSettings) -> Iterator[str]:
    for name, parameter in (settings.environment_parameters or {}).items():
        for lesson in parameter.curriculum[:-1]:
            criteria = lesson.completion_criteria
            reason = None if criteria is None else _endless(criteria, settings)
            if reason is not None:
                yield f"environment_parameters.{name}.curriculum: lesson {lesson.name} {reason}"


def _undrawn_intervals(settings: RunSettings) -> Iterator[str]:
    for name, parameter in (settings.environment_parameters or {}).items():
        for lesson in parameter.curriculum:
            if not isinstance(lesson.value, MultiRangeUniformSampler):
                continue
            intervals = lesson.value.sampler_parameters.intervals
            points = [low for low, high in intervals if low == high]
            if len(points) == len(intervals):
                points = points[1:]  # Unity takes the first if none has a length
            if points:
                yield (
                    f"environment_parameters.{name}: interval [{points[0]:g}, {points[0]:g}] is never drawn, because "
                    "Unity weighs intervals by their lengths and it has none; widen it"
                )


def _endless(criteria: CompletionCriteria, settings: RunSettings) -> str | None:
    """Return why criteria are probably never met; None if they may be."""
    name, known = criteria.behavior, settings.behaviors
    behavior = known.get(name, settings.default_settings)
    if behavior is None and known:
        return (
            f"waits for behavior {name}, which behaviors does not list; unless the scene has it, the lesson never ends"
            f"{suggestion(name, known)}"
        )
    if criteria.measure == "Elo" and (behavior is None or behavior.self_play is None):
        return f"measures the Elo rating of {name}, which has no self_play, so that the lesson never ends"
    if criteria.measure == "progress" and criteria.threshold == 1.0:
        return "waits for a progress above 1, at which training ends; set threshold below 1"
    return None
