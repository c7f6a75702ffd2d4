"""What a run says when it begins and when it ends."""

import math
from collections.abc import Collection, Iterator
from pathlib import Path

from mlagents_envs.base_env import BaseEnv, ObservationSpec

from bridge.process import is_env_id
from gym_adapters.commands import module_command, nearby, option
from gym_adapters.trust import needs_trust
from trainers.algorithms.learner import Learner
from trainers.config import CheckpointSettings, RunSettings
from trainers.config.base import suggestion
from trainers.config.reader import SETTINGS
from trainers.config.scaling import scaled
from trainers.networks.behavior_spec import actions_in_words
from trainers.optim.launch import launched
from trainers.records.checkpoint import NEWEST
from trainers.records.metrics import Summary
from trainers.records.words import counted, duration, short_count, three_digits
from trainers.training.evaluation import Score
from trainers.training.outcome import Outcome

TRAIN = "trainers"
EVALUATE = "trainers.evaluate"
TENSORBOARD = "tensorboard.main"


def run_lines(settings: RunSettings, env: BaseEnv) -> Iterator[str]:
    """Yield the lines that say what a run is. Its `run_id` and its seed are set."""
    name = settings.env_settings.env_path or getattr(env, "title", type(env).__name__)
    source = "" if settings.source in (None, SETTINGS) else f", settings of {nearby(settings.source)}"
    yield f"{name}{source}, seed {settings.env_settings.seed}"
    yield from _unused_lines(settings)
    yield f"  run      {settings.checkpoint_settings.folder}"
    yield f"  curves   {tensorboard_command(settings)}"
    if settings.checkpoint_settings.inference:
        yield "  Ctrl-C   stops; nothing is learned or saved"
    else:
        yield "  Ctrl-C   stops and saves the run"


def _unused_lines(settings: RunSettings) -> Iterator[str]:
    """Yield a line for each key that is for Unity players and was set for a Gymnasium environment."""
    env = settings.env_settings
    if not is_env_id(env.env_path):
        return
    if env.env_args:
        yield "  env_args is for Unity players and has no effect here; use env_settings.env_options"
    if env.num_areas > 1:
        yield "  num_areas is for Unity players and has no effect here; use num_envs"
    changed = [key for key in _OF_PLAYERS if getattr(env, key) != type(env).model_fields[key].default]
    engine = settings.engine_settings
    changed += [
        key for key, field in type(engine).model_fields.items() if getattr(engine, key) != field.default
    ]
    if changed:
        verbs = ("is", "has") if len(changed) == 1 else ("are", "have")
        yield f"  {', '.join(changed)} {verbs[0]} for Unity players and {verbs[1]} no effect here"


_OF_PLAYERS = (
    "base_port",
    "listen",
    "timeout_wait",
    "max_lifetime_restarts",
    "restarts_rate_limit_n",
    "restarts_rate_limit_period_s",
    "reorder_raw_images",
)
"""Keys of `env_settings` that only players have a use for, besides those that have a counterpart."""


def behavior_line(learner: Learner) -> str:
    """Return the line about a behavior, such as `Seeker: 4 numbers → 2 continuous actions; 9 agents; ppo, 2 × 64`."""
    spec = learner.spec
    network, agents = learner.settings.network_settings, sum(len(a.agents) for a in learner.actors.values())
    parts = [
        f"{learner.name}: {_observations(spec.observation_specs)} → {actions_in_words(spec.action_spec)}",
        counted(agents, "agent"),
        f"{learner.kind}, {network.num_layers} × {network.hidden_units}, on {learner.device}",
    ]
    if learner.step and not learner.task.learns:
        parts.append(f"plays the policy of step {short_count(learner.step)}")
    elif learner.step:
        total = short_count(learner.settings.max_steps)
        parts.append(f"goes on at {short_count(learner.step)} of {total} steps")
    return "; ".join(parts)


def evaluation_line(summary: Summary, score: Score) -> str:
    """Return the line about an evaluation."""
    best = "" if summary.best is None else f", best {three_digits(summary.best)}"
    return (
        f"{summary.behavior}: evaluated at {short_count(summary.step)} steps: return {three_digits(score.mean)} ± "
        f"{three_digits(score.deviation)} in {counted(score.episodes, 'episode')}, "
        f"length {three_digits(score.length)}{best}"
    )


def unseen_lines(settings: RunSettings, seen: Collection[str]) -> Iterator[str]:
    """Yield a line for each behavior of the settings that the environment has not shown."""
    for name in settings.behaviors:
        if name not in seen:
            yield (
                f"{name} is among the settings, but the environment has no such behavior so far; it has "
                f"{', '.join(seen) or 'none'}{suggestion(name, seen)}"
            )


def unused_line(learner: Learner, steps: int) -> str:
    """Return the line about a behavior that has acted for so many agent steps and was never updated."""
    hyper = learner.settings.hyperparameters
    key = "buffer_init_steps" if hasattr(hyper, "buffer_init_steps") else "buffer_size"
    return (
        f"{learner.name}: nothing was learned, because {steps:,} steps are too few for an update; "
        f"train longer, or lower {key} ({getattr(hyper, key):,})"
    )


def closing_lines(name: str, outcome: Outcome, settings: RunSettings) -> Iterator[str]:
    """Yield the lines that say how a run went for a behavior, and what to do next.

    Args:
        name: the behavior.
        outcome: what the run reached for it.
        settings: the run's settings; the run's name is that of the outcome's folder.
    """
    run_id, learns = outcome.folder.parent.name, not settings.checkpoint_settings.inference
    run = Path(settings.checkpoint_settings.results_dir, run_id)
    folder = run / outcome.folder.name
    behavior, launch = settings.behavior(name), launched()
    if settings.rank_settings.scale_batch and launch is not None:
        behavior = scaled(behavior, launch.size)
    max_steps = behavior.max_steps
    kind = "Elo " if behavior.self_play else "evaluation " if behavior.evaluation_freq else ""

    yield ""
    yield f"{name}: {outcome.steps:,} steps, {outcome.episodes:,} episodes, {_reached(outcome, kind)}"
    if learns and outcome.finished and not outcome.trained:
        yield f"  This run had already reached max_steps ({max_steps:,}), so nothing was trained."
        further = 2 * max(max_steps, outcome.steps)
        yield f"  train on   {_train_command(settings, run_id, '--resume', '--max-steps', further)}"
    elif outcome.trained:
        speed = outcome.trained / outcome.seconds if outcome.seconds > 0 else math.nan
        yield f"  time       {duration(outcome.seconds)}, {speed:,.0f} steps/s on average"
    if learns and not outcome.finished:
        yield f"  saved      {folder} at {outcome.steps:,} of {max_steps:,} steps"
        yield f"  go on      {_train_command(settings, run_id, '--resume')}"
    if learns:
        yield f"  results    {folder}"
        yield f"  curves     {folder / 'reward.png'}, or: {tensorboard_command(settings)}"
    if learns or (outcome.folder / NEWEST).is_file():
        yield from playing_lines(settings, outcome.folder)


def playing_lines(settings: RunSettings, folder: Path) -> Iterator[str]:
    """Yield the lines that say how to play the policy in a behavior's folder, in Unity or by an evaluation."""
    run = Path(settings.checkpoint_settings.results_dir, folder.parent.name)
    env_path = settings.env_settings.env_path
    if is_env_id(env_path):
        trust = ["--trust"] if needs_trust(env_path, settings.env_settings.env_options) else []
        yield f"  evaluate   {module_command(EVALUATE, run, *trust)}"
    else:
        if (folder.parent / f"{folder.name}.onnx").is_file():  # not of a network that Unity cannot compute
            yield f"  model      {run / folder.name}.onnx"
            yield "             Drag it into Assets, and choose it under Behavior Parameters > Model."
        yield f"  watch      {_train_command(settings, run.name, '--resume', '--inference')}"


def tensorboard_command(settings: RunSettings) -> str:
    """Return the command that shows the curves of all runs beside this one."""
    return module_command(TENSORBOARD, *option("--logdir", settings.checkpoint_settings.results_dir))


def _train_command(settings: RunSettings, run_id: str, *arguments: object) -> str:
    """Return the command that trains the run with its own `configuration.yaml`."""
    results = settings.checkpoint_settings.results_dir
    where = option("--results-dir", results) if results != _DEFAULT_RESULTS else []
    return module_command(TRAIN, *option("--run-id", run_id), *where, *arguments)


_DEFAULT_RESULTS = CheckpointSettings.model_fields["results_dir"].default


def _reached(outcome: Outcome, kind: str) -> str:
    """Return the mean return so far, and the best one, with the kind of the latter."""
    if not outcome.episodes:
        return "none ended"
    best = "" if math.isnan(outcome.best_return) else f", best {kind}{three_digits(outcome.best_return)}"
    return f"mean return of the last 100: {three_digits(outcome.mean_return)}{best}"


def _observations(specs: list[ObservationSpec]) -> str:
    numbers = sum(spec.shape[0] for spec in specs if len(spec.shape) == 1)
    shapes = {2: "a list of {}", 3: "an image of {}"}
    parts = [counted(numbers, "number")] if numbers else []
    for spec in specs:
        if len(spec.shape) > 1:
            parts.append(shapes.get(len(spec.shape), "{}").format(" × ".join(map(str, spec.shape))))
    return " + ".join(parts) or "no observations"
