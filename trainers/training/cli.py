"""The training command, a thin layer over `trainers.training.api.train`."""

import logging
from collections.abc import Sequence

from gym_adapters.commands import program_name
from gym_adapters.errors import exit_status
from gym_adapters.text import log_everything, log_to_terminal
from trainers.config import RunSettings, load_settings
from trainers.config.doubts import check_trainer_type
from trainers.config.loader import CONFIGURATION
from trainers.config.run import deep_merge
from trainers.optim.launch import launched
from trainers.records.progress import LineDisplay, open_missing_streams
from trainers.training.arguments import ParsedArguments, parse
from trainers.training.default_files import default_file
from trainers.training.environments import make_environment

_ENVIRONMENTS = (
    "--env CartPole-v1 (any Gymnasium id), --env my_module:MyEnv-v0, or --env PATH of a Unity player"
)


def main(argv: Sequence[str] | None = None, trainer_type: str | None = None) -> int:
    """Train as the command line says, and return the exit status.

    Args:
        argv: the arguments without the program's name; None takes those of the process.
        trainer_type: the algorithm of the command, such as `python -m trainers.ppo`; None if the training file decides.
    """
    open_missing_streams()
    prog = program_name(f"trainers.{trainer_type}" if trainer_type else "trainers")
    arguments = parse(argv, prog, trainer_type)

    from trainers.training.announcements import closing_lines  # with torch, for which --help does not wait
    from trainers.training.api import train

    log_to_terminal()
    launch = launched()
    leads = launch is None or launch.rank == 0
    if not leads:
        logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    settings = RunSettings()

    def load() -> RunSettings:
        nonlocal settings
        settings = resolve(arguments, trainer_type)
        if settings.debug:
            log_everything("bridge", "gym_adapters", "trainers")
        if arguments.config_path is None and settings.env_settings.env_path is None:
            logging.info("Without --env, the environment is the Unity Editor. Others: %s", _ENVIRONMENTS)
        return settings

    try:
        outcomes = train(make_environment, load)
    except BaseException as error:  # libraries in other languages raise their own
        return exit_status(error, _saved(error))
    for name, outcome in outcomes.items() if leads else ():
        LineDisplay().say("\n".join(closing_lines(name, outcome, settings)))
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
    source = arguments.config_path or default_file(arguments.overrides, arguments.options, trainer_type)
    options = arguments.options
    if source is None and trainer_type is not None:
        options = deep_merge({"default_settings": {"trainer_type": trainer_type}}, options)
    elif source is not None and arguments.config_path is None and source.name == CONFIGURATION:
        here = {"checkpoint_settings": {"results_dir": str(source.parent.parent)}}  # whatever the file names
        options = deep_merge(here, options)
    settings = load_settings(source, arguments.overrides, options)
    if trainer_type is not None:
        check_trainer_type(settings, trainer_type)
    return settings


def _saved(error: BaseException) -> str:
    """Return the end of an error message, which says whether the run was saved."""
    from trainers.training.chronicle import SAVED

    return f"; {SAVED[0].lower()}{SAVED[1:]}" if SAVED in getattr(error, "__notes__", ()) else ""
