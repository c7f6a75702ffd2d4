"""Training from Python: `from trainers import train`."""

import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from mlagents_envs.base_env import BaseEnv
from mlagents_envs.exception import UnityCommunicatorStoppedException

from gym_adapters.errors import UserError
from trainers.config import RunSettings, dump_settings, load_settings
from trainers.config.doubts import doubts
from trainers.optim.threads import Threads
from trainers.records.progress import Display, make_display
from trainers.records.run_folder import claimed_folder, with_run_id
from trainers.training.callbacks import Callback, Callbacks, installed_callbacks
from trainers.training.chronicle import SAVED
from trainers.training.environments import own_environment
from trainers.training.evaluation import require_second_environment
from trainers.training.followers import Silence
from trainers.training.joining import joined
from trainers.training.loop import run
from trainers.training.makers import maker
from trainers.training.notebook import find_notebook
from trainers.training.outcome import Outcome
from trainers.training.session import Session
from trainers.training.stopping import SAVING, StopSignals

logger = logging.getLogger(__name__)

RANDOM_SEEDS = 10000
"""A run without a seed draws one from 0 to 9999, as ML-Agents does."""


def train(
    env: BaseEnv | Callable[[RunSettings], BaseEnv] | Callable[[], BaseEnv],
    options: Path | str | Mapping[str, Any] | RunSettings | Callable[[], RunSettings] | None = None,
    *,
    overrides: Sequence[str] = (),
    display: Display | None = None,
    callbacks: Sequence[Callback] = (),
    evaluation_env: Callable[[RunSettings], BaseEnv] | Callable[[], BaseEnv] | None = None,
) -> dict[str, Outcome]:
    """Train every behavior of an environment and write a run folder.

    Args:
        env: any `BaseEnv`, or a function that makes one from the resolved settings, in which `env_settings.seed` is
            set, or from nothing. It is closed at the end.
        options: the training file as a path, YAML text, a dictionary, loaded settings, or a function that loads them;
            None takes ML-Agents' defaults for every behavior.
        overrides: `KEY=VALUE` strings that override the training file, such as `behaviors.Walker.max_steps=1e6`.
        display: shows progress; None takes a live display on a terminal, a curve and a bar in a notebook, and plain
            lines elsewhere.
        callbacks: are told how the run goes, and may end it. Those of installed packages are called after them. With
            several ranks, only those of rank 0 are called.
        evaluation_env: makes the environments of evaluations (key `evaluation_freq`) from settings in which
            `env_settings.seed` and `num_envs` are theirs; None takes `env`, if that is a function.

    Returns:
        The outcome of each behavior, by name.

    Raises:
        UserError: an argument is of a wrong kind, the settings are wrong, the run folder exists already, a checkpoint
            does not fit, a callback fails, or the environment is lost or sends a number that is not finite.
        Exception: the environment raised it.

    If training has begun, the run is saved before an exception is raised, and the exception has the note `SAVED`.
    Weights that are not finite are never saved.
    """
    make = maker("env", env)
    make_further = make if evaluation_env is None else maker("evaluation_env", evaluation_env)
    _require_list("overrides", overrides, 'overrides=["debug=true"]')
    _require_list("callbacks", callbacks, f"callbacks=[{type(callbacks).__name__}(...)]")
    if display is not None and not isinstance(display, Display):
        raise UserError(f"display: expected a trainers.records.progress.Display, got {display!r:.100}")
    signals = StopSignals()
    with ExitStack() as stack:
        stack.enter_context(signals.handled())
        if isinstance(env, BaseEnv):
            stack.callback(signals.leaving, env.close)
        settings, collective = stack.enter_context(
            joined(lambda: _read(options, overrides), partial(_prepared, stack))
        )
        leads = collective.rank == 0
        require_second_environment(make_further, settings)
        notebook = find_notebook() if leads and display is None else None
        shown = [] if notebook is None else [notebook]
        told = Callbacks([*callbacks, *installed_callbacks(settings), *shown] if leads else ())
        if leads:
            if settings.debug:
                logger.debug("All settings of this run:\n%s", dump_settings(settings))
            stack.enter_context(claimed_folder(settings.checkpoint_settings))
        threads = stack.enter_context(Threads())
        display = (display or notebook or make_display()) if leads else Silence()
        try:
            session = Session(settings, display, threads, collective, told, make_further)
        except BaseException:
            display.close()
            raise
        try:
            _train_in(env if make is None else make, session, signals, stack)
        except BaseException as error:
            at_once = isinstance(error, KeyboardInterrupt) and signals.at_once  # a second Ctrl-C
            if session.abandon(save=not at_once):
                error.add_note(SAVED)
            raise
        return session.close()


def _train_in(
    env: BaseEnv | Callable[[RunSettings], BaseEnv], session: Session, signals: StopSignals, stack: ExitStack
) -> None:
    """Train until the run ends. An environment that is made here is closed by `stack`."""
    if isinstance(env, BaseEnv):
        environment = env
    else:
        with session.timers("start-up"):
            environment = env(own_environment(session.settings, session.collective.rank))
        stack.callback(signals.leaving, environment.close)
    try:
        with signals.ending(session):
            run(environment, session)
    except UnityCommunicatorStoppedException:
        session.display.say("The environment has ended the run; it is saved.")
    if signals.received and not session.settings.checkpoint_settings.inference:
        session.display.say(SAVING)
    session.complete_updates()


def _require_list(argument: str, given: Any, example: str) -> None:
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise UserError(f"{argument}: expected a list, got {type(given).__name__}; write {example}")


def _read(options: Any, overrides: Sequence[str]) -> RunSettings:
    """Return the settings that `train` was given.

    Raises:
        UserError: they are wrong.
    """
    if callable(options):
        options = options()
    if not isinstance(options, RunSettings):
        return load_settings(options, overrides)
    return load_settings(options.model_dump(mode="json"), overrides) if overrides else options


def _prepared(stack: ExitStack, settings: RunSettings) -> RunSettings:
    """Say what may be wrong with settings, and return them with a seed and a run id, which `stack` keeps reserved."""
    for line in doubts(settings):
        logger.warning("%s", line)
    return stack.enter_context(with_run_id(with_seed(settings)))


def with_seed(settings: RunSettings) -> RunSettings:
    """Return settings with a seed: their own, or one drawn at random."""
    if settings.env_settings.seed != -1:
        return settings
    seed = random.SystemRandom().randrange(RANDOM_SEEDS)
    return settings.changed(env_settings={"seed": seed})
