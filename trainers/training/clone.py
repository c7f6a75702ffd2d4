"""Trains a policy on demonstrations alone."""

import math
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import BehaviorSpec

from bridge.demonstrations import Demonstrations
from bridge.process import is_env_id
from gym_adapters.errors import UserError, closed_after, refusal_named
from gym_adapters.make import make_env
from gym_adapters.space_description import described_spaces
from gym_adapters.teams import parts_of
from trainers.algorithms.learner import Learner
from trainers.config import BehavioralCloningSettings, BehaviorSettings, RunSettings
from trainers.imitation.cloning import Cloning
from trainers.imitation.fitting import Epoch, default_epochs, deviation, divided, fit
from trainers.imitation.sources import load_shown
from trainers.optim.threads import Threads
from trainers.records.progress import Display
from trainers.records.run_folder import claimed_folder, with_run_id
from trainers.records.timers import TimerTree
from trainers.training.api import with_seed
from trainers.training.environments import environment_options
from trainers.training.learners import Learners
from trainers.training.recorder import Recorder
from trainers.training.resuming import check_start
from trainers.training.run_files import RunFiles
from trainers.training.stopping import SAVING, StopSignals

SHOWN_EPOCHS, WRITTEN_EPOCHS = 20, 200
"""About how many epochs are printed, and how many are written to the curves."""
LEAST_DEVIATION = 0.1
"""The least standard deviation of a raw action after cloning, so that further training still tries something."""


@dataclass
class _State:
    """What a stop signal looks at."""

    stop_requested: bool = False
    timers: TimerTree = field(default_factory=TimerTree)


def clone(settings: RunSettings, demo_path: str, epochs: int | None, display: Display) -> Path:
    """Train a policy on demonstrations alone, and write a run folder.

    Normalisers get the moments of the demonstrations. The critic does not learn.

    Args:
        settings: the resolved training file.
        demo_path: a .demo file, a folder of them, or `minari:DATASET-ID`.
        epochs: the most epochs; None: see `default_epochs`.
        display: shows progress.

    Returns:
        The behavior's folder in the run's.

    Raises:
        UserError: the demonstrations cannot be read or do not fit, the run exists already, or it cannot be written.
    """
    shown = load_shown(demo_path)
    name, spec, spaces = _behavior(settings, shown)
    shown.require_fit(name, spec)
    block = settings.behavior(name).behavioral_cloning
    settings = with_seed(_without_cloning(settings, name))
    state, signals = _State(), StopSignals()
    with ExitStack() as stack:
        stack.enter_context(signals.handled())
        settings = stack.enter_context(with_run_id(settings))
        stack.enter_context(claimed_folder(settings.checkpoint_settings))
        threads = stack.enter_context(Threads())
        check_start(settings)
        files = RunFiles(settings, display, state.timers)
        learner = Learners(settings, threads, display).make(name, spec, {})
        recorder = files.record(learner, spaces)
        closes = stack.enter_context(ExitStack())
        closes.callback(recorder.close)
        files.begin()
        episodes = len(shown.trajectories)
        display.say(
            f"{name}: {shown.steps:,} steps of {episodes:,} episode{'s' * (episodes != 1)} from {demo_path}"
        )
        with signals.ending(state):
            _learn(learner, recorder, shown, block, epochs, display, state)
        if signals.received:
            display.say(SAVING)
        files.checkpoint(recorder, {})
        closes.pop_all()
        recorder.close(state.timers.elapsed)
        files.close([recorder])
        files.require_saved()
    return recorder.folder


def _learn(
    learner: Learner,
    recorder: Recorder,
    shown: Demonstrations,
    block: BehavioralCloningSettings | None,
    epochs: int | None,
    display: Display,
    state: _State,
) -> None:
    """Learn and record each epoch; the policy ends as that of the best epoch."""
    learned, held_out = divided(shown, learner.task.seed, in_order=learner.policy.memory_size > 0)
    cloning = _prepared(learner, shown, block, learned)
    best, epochs = None, epochs or default_epochs(cloning)
    shown_every, written_every = (max(1, epochs // most) for most in (SHOWN_EPOCHS, WRITTEN_EPOCHS))
    with closing(fit(cloning, held_out, epochs)) as passes:
        for epoch in passes:
            best = epoch if epoch.is_best else best
            _note(learner, epoch, is_judged=len(held_out) > 0)
            is_last = epoch.number == epochs or state.stop_requested
            due = epoch.number % written_every == 0 or is_last
            summary = recorder.summarise(state.timers.elapsed) if due else None
            if summary is not None:
                with refusal_named(recorder.folder):
                    recorder.write(summary)
            if epoch.number == 1 or epoch.number % shown_every == 0 or is_last:
                display.say(_line(epoch))
            if state.stop_requested:
                break
    learner.require_finite_weights()
    if best is None:
        raise UserError(
            f"{shown.source}: nothing was learned, since the loss is not finite; lower learning_rate"
        )
    display.say(f"best: {_line(best)}")
    judges = held_out if len(held_out) else learned
    learner.policy.set_deviation(deviation(cloning, judges).clamp(min=LEAST_DEVIATION))


def _prepared(
    learner: Learner, shown: Demonstrations, block: BehavioralCloningSettings | None, rows: np.ndarray
) -> Cloning:
    """Return what learns from rows of the demonstrations, and give the learner's normaliser their moments."""
    policy, shown_rows = learner.policy, shown.decisions
    if policy.normalizer is not None:
        vectors = [shown_rows.observations[index][rows] for index in policy.vector_columns]
        learner.observation_moments.update(np.concatenate(vectors, axis=1))
        policy.normalizer.assign(learner.observation_moments)
    return Cloning(
        block or BehavioralCloningSettings(demo_path=shown.source),
        shown_rows,
        policy,
        learner.optimizer,
        learner.actor_group,
        learner.settings.hyperparameters,
        learner.generator,
        rows,
    )


def _note(learner: Learner, epoch: Epoch, is_judged: bool) -> None:
    """Give the learner's metrics what an epoch achieved."""
    learner.step = epoch.samples
    learner.metrics.add("Losses/Pretraining Loss", epoch.loss)
    learner.metrics.add("Policy/Learning Rate", epoch.rate)
    if is_judged:
        learner.metrics.add("Losses/Held-out Loss", epoch.held_out)


def _line(epoch: Epoch) -> str:
    judged = "" if math.isnan(epoch.held_out) else f", held out {epoch.held_out:.6g}"
    return f"epoch {epoch.number}: loss {epoch.loss:.6g}{judged}"


def _behavior(
    settings: RunSettings, shown: Demonstrations
) -> tuple[str, BehaviorSpec, list[dict[str, Any]] | None]:
    """Return the behavior to train: its name, its spec, and descriptions of its Gymnasium spaces if it has any.

    The environment of the settings says them, unless it is Unity; then the demonstrations do. A training file with one
    behavior means that one, whatever its name was when it was recorded.
    """
    env_path = settings.env_settings.env_path
    names = list(settings.behaviors)
    if not is_env_id(env_path):
        known = shown.name in names or len(names) != 1
        return shown.name if known else names[0], shown.spec, None
    with closed_after(make_env(env_path, 1, 0, environment_options(settings, env_path))) as env:
        env.reset()
        specs = {parts_of(name)[0]: spec for name, spec in env.behavior_specs.items()}
        spaces = described_spaces(env)
    name = shown.name if shown.name in specs or len(specs) != 1 else next(iter(specs))
    if name not in specs:
        raise UserError(
            f"{shown.source}: recorded with behavior {name}; {env_path} has {', '.join(specs)}; use another --env"
        )
    return name, specs[name], spaces.get(name)


def _without_cloning(settings: RunSettings, name: str) -> RunSettings:
    """Return settings with one behavior and without its `behavioral_cloning`, which this run does in its own way.

    Raises:
        UserError: its algorithm has no policy to clone.
    """
    behavior = settings.behavior(name)
    if not behavior.hyperparameters.has_actor:
        raise UserError(
            f"behaviors.{name}.trainer_type is {behavior.trainer_type}, which has no policy to clone; use ppo or sac"
        )
    alone: dict[str, BehaviorSettings] = {name: behavior.model_copy(update={"behavioral_cloning": None})}
    return settings.model_copy(update={"behaviors": alone})
