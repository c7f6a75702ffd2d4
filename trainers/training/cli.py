"""The command line of training: a thin layer over `trainers.training.api.train`."""

import logging
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from gym_adapters.errors import UserError
from gym_adapters.make import behavior_name
from trainers.config import RunSettings, catalogue, check_supported, load_settings
from trainers.config.run import deep_merge
from trainers.records.progress import LineDisplay
from trainers.training.api import SAVED, train
from trainers.training.arguments import ParsedArguments, parse
from trainers.training.environments import make_environment, tuned_file
from trainers.training.recorder import Outcome
from trainers.training.session import ENVIRONMENT


def main(argv: Sequence[str] | None = None, trainer_type: str | None = None) -> int:
    """Train as the command line says; returns the exit status.

    Args:
        argv: the arguments, without the program's name; None takes the process's own.
        trainer_type: the algorithm of the command (`python -m trainers.ppo`), None where the file decides.
    """
    prog = f"python -m trainers.{trainer_type}" if trainer_type else "bridge-learn"
    arguments = parse(argv, prog, trainer_type)
    logging.basicConfig(format="[%(levelname)s] %(message)s", level=logging.INFO)
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    try:
        settings = resolve(arguments, trainer_type)
        outcomes = train(make_environment, settings)
    except UserError as error:
        print(f"error: {error}{_saved(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before training began, or a second one while it was ending
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if ENVIRONMENT not in getattr(error, "__notes__", ()):
            raise
        print(f"error: {_raised_by_environment(error)}", file=sys.stderr)
        return 2
    for name, outcome in outcomes.items():
        LineDisplay().say(_closing_words(name, outcome))
    return 0


def resolve(arguments: ParsedArguments, trainer_type: str | None) -> RunSettings:
    """Find the training file that the arguments mean, and lay the arguments over it.

    Without one, `--resume` takes the run's own `configuration.yaml`, and `--env` with a Gymnasium id the file
    tuned for it and the algorithm; where there is none, the algorithm learns with its defaults.

    Raises:
        UserError: something in them is wrong.
    """
    source = arguments.config_path or _default_file(arguments, trainer_type)
    options = arguments.options
    if source is None and trainer_type is not None:
        options = deep_merge({"default_settings": {"trainer_type": trainer_type}}, options)
    settings = load_settings(source, arguments.overrides, options)
    check_supported(settings, trainer_type)
    return settings


def _default_file(arguments: ParsedArguments, trainer_type: str | None) -> Path | None:
    telling = [text for text in arguments.overrides if _tells_the_file(text.partition("=")[0].strip())]
    settings = load_settings(None, telling, arguments.options)
    checkpoints = settings.checkpoint_settings
    if checkpoints.resume and checkpoints.run_id is not None:
        own = Path(checkpoints.results_dir, checkpoints.run_id, "configuration.yaml")
        if own.is_file():
            return own
    env_path = settings.env_settings.env_path
    if env_path is None:
        return None
    asked = settings.behaviors.get(behavior_name(env_path), settings.default_settings)
    return tuned_file(env_path, trainer_type or (asked.trainer_type if asked else catalogue.DEFAULT))


def _tells_the_file(key: str) -> bool:
    """Whether a `--set` of this key has a say in which training file is meant."""
    return key.startswith(("env_settings.", "checkpoint_settings.")) or key.endswith(".trainer_type")


def _raised_by_environment(error: Exception) -> str:
    """One line on an exception of the environment, with the place in its code that raised it."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())[:300]
    return (
        f"the environment raised {type(error).__name__}: {text} ({place.filename}, line {place.lineno})"
        f"{_saved(error)}"
    )


def _saved(error: Exception) -> str:
    return f"; {SAVED[0].lower()}{SAVED[1:]}" if SAVED in getattr(error, "__notes__", ()) else ""


def _closing_words(name: str, outcome: Outcome) -> str:
    folder = outcome.folder
    if folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    run = folder.parent
    reached = f"mean return of the last 100: {outcome.mean_return:.1f}" if outcome.episodes else "none ended"
    return (
        f"\n{name}: {outcome.steps:,} steps, {outcome.episodes:,} episodes, {reached}\n"
        f"  results    {folder}\n"
        f"  curves     {folder / 'reward.png'}, or: tensorboard --logdir {run.parent}\n"
        f"  evaluate   python -m trainers.evaluate {run}"
    )
