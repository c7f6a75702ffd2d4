"""The training command, a thin layer over `trainers.training.api.train`."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from bridge.process import looks_like_player
from gym_adapters.errors import UserError, from_environment, raised
from gym_adapters.make import behavior_name
from gym_adapters.text import log_to_terminal
from gym_adapters.trust import needs_trust
from trainers.config import EnvSettings, RunSettings, catalogue, check_supported, load_settings
from trainers.config.loader import CONFIGURATION
from trainers.config.run import deep_merge
from trainers.records.progress import LineDisplay, open_missing_streams
from trainers.training.api import SAVED, train
from trainers.training.arguments import ParsedArguments, parse
from trainers.training.environments import make_environment, tuned_file
from trainers.training.recorder import Outcome


def main(argv: Sequence[str] | None = None, trainer_type: str | None = None) -> int:
    """Train as the command line says, and return the exit status.

    Args:
        argv: the arguments without the program's name; None takes those of the process.
        trainer_type: the algorithm of the command, such as `python -m trainers.ppo`; None if the training file decides.
    """
    open_missing_streams()
    prog = f"python -m trainers.{trainer_type}" if trainer_type else "bridge-learn"
    arguments = parse(argv, prog, trainer_type)
    log_to_terminal()
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    try:
        settings = resolve(arguments, trainer_type)
        outcomes = train(make_environment, settings)
    except UserError as error:
        print(f"error: {error}{_saved(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before training began, or a second time while it was ending
        print("interrupted", file=sys.stderr)
        return 130
    except BaseException as error:  # libraries in other languages raise their own
        if not from_environment(error):
            raise
        print(f"error: the environment raised {raised(error)}{_saved(error)}", file=sys.stderr)
        return 2
    for name, outcome in outcomes.items():
        LineDisplay().say(_result_text(name, outcome, settings.env_settings))
    return 0


def resolve(arguments: ParsedArguments, trainer_type: str | None) -> RunSettings:
    """Find the training file and override it with the command line's options.

    Without a training file, `--resume` takes the run's own `configuration.yaml`, and `--env` with a Gymnasium id takes
    the file tuned for it and the algorithm. If there is no such file, the algorithm trains with its defaults.

    Args:
        arguments: the parsed command line.
        trainer_type: see `main`.

    Raises:
        UserError: the training file or an option is wrong.
    """
    source = arguments.config_path or _default_file(arguments, trainer_type)
    options = arguments.options
    if source is None and trainer_type is not None:
        options = deep_merge({"default_settings": {"trainer_type": trainer_type}}, options)
    elif source is not None and arguments.config_path is None and source.name == CONFIGURATION:
        here = {"checkpoint_settings": {"results_dir": str(source.parent.parent)}}  # whatever the file names
        options = deep_merge(here, options)
    settings = load_settings(source, arguments.overrides, options)
    check_supported(settings, trainer_type)
    return settings


def _default_file(arguments: ParsedArguments, trainer_type: str | None) -> Path | None:
    deciding = [text for text in arguments.overrides if _decides_the_file(text.partition("=")[0].strip())]
    settings = load_settings(None, deciding, arguments.options)
    checkpoints = settings.checkpoint_settings
    if checkpoints.resume and checkpoints.run_id is not None:
        own = Path(checkpoints.results_dir, checkpoints.run_id, CONFIGURATION)
        if own.is_file():
            return own
    env_path = settings.env_settings.env_path
    if env_path is None:
        return None
    behavior = settings.behaviors.get(behavior_name(env_path), settings.default_settings)
    return tuned_file(env_path, trainer_type or (behavior.trainer_type if behavior else catalogue.DEFAULT))


def _decides_the_file(key: str) -> bool:
    """Whether a `--set` of this key may change which training file is used."""
    return key.startswith(("env_settings.", "checkpoint_settings.")) or key.endswith(".trainer_type")


def _saved(error: BaseException) -> str:
    """Return the end of an error message, which says whether the run was saved."""
    return f"; {SAVED[0].lower()}{SAVED[1:]}" if SAVED in getattr(error, "__notes__", ()) else ""


def _result_text(name: str, outcome: Outcome, env: EnvSettings) -> str:
    """Return the text that the command prints for a behavior at the end."""
    folder = outcome.folder
    if folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    run = folder.parent
    is_player = env.env_path is None or looks_like_player(env.env_path)
    trust = "" if is_player or not needs_trust(str(env.env_path), env.env_options) else " --trust"
    reached = f"mean return of the last 100: {outcome.mean_return:.1f}" if outcome.episodes else "none ended"
    return (
        f"\n{name}: {outcome.steps:,} steps, {outcome.episodes:,} episodes, {reached}\n"
        f"  results    {folder}\n"
        f"  curves     {folder / 'reward.png'}, or: tensorboard --logdir {run.parent}\n"
        f"  evaluate   python -m trainers.evaluate {run}{trust}"
    )
