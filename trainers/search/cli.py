"""The command `python -m trainers.search`."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bridge.process import is_env_id
from gym_adapters.commands import CommandParser, install_command, module_command, program_name
from gym_adapters.errors import UserError, close_reported, exit_status, refusal_named
from gym_adapters.make import make_env
from trainers.compare.training import terminated_as_interrupted
from trainers.config.base import Count, PathText
from trainers.config.options import add_overrides, option_reader, path_option
from trainers.optim.launch import launched
from trainers.records.names import file_name
from trainers.records.progress import LineDisplay
from trainers.search.report import print_table, write_results
from trainers.search.result import ranked
from trainers.search.space import Search, load_search
from trainers.training.environments import environment_options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 after an error that the user can fix, 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    try:
        with terminated_as_interrupted():
            return _search(arguments)
    except (UserError, KeyboardInterrupt) as error:
        return exit_status(error)


def _search(arguments: argparse.Namespace) -> int:
    """Run the missing trials and write the results. After an error or Ctrl-C, those so far are written."""
    if importlib.util.find_spec("optuna") is None:
        raise UserError(f"a search needs optuna, which is not installed; run: {install_command('optuna')}")
    if launched() is not None:
        raise UserError("a search runs without torchrun; start it several times on one --storage instead")
    search = load_search(arguments.space, arguments.env, arguments.overrides)
    _check_environment(search)
    name = arguments.study or arguments.space.stem
    out = arguments.out or Path("searches", file_name(name))
    with refusal_named(out):
        out.mkdir(parents=True, exist_ok=True)

    from trainers.search.storage import file_url
    from trainers.search.study import open_study, results, run_trials

    storage = arguments.storage or file_url(out.absolute() / "study.db")
    study, say = open_study(search, storage, name), LineDisplay().say
    try:
        run_trials(study, search, arguments.trials, out, storage, say)
    finally:
        trials = results(study, storage)
        print_table(trials, search, Console(width=None if sys.stdout.isatty() else 140))
        for path in write_results(trials, search, name, out):
            say(f"written: {path}")
        if sys.exc_info()[0] is KeyboardInterrupt:
            say("interrupted; the same command goes on from here")
    if not ranked(trials):
        reason = next((trial.reason for trial in reversed(trials) if trial.reason), "all ended early")
        raise UserError(f"no trial is complete; the last one that failed says: {reason}")
    say(f"train with the best settings: {module_command('trainers', out / 'best.yaml')}")
    return 0


def _check_environment(search: Search) -> None:
    """Make the environment once, since every trial would fail without it. A player is started by trials only.

    Raises:
        UserError: There is no such environment.
    """
    env_path = search.base.env_settings.env_path
    if is_env_id(env_path):
        close_reported(make_env(env_path, 1, 0, environment_options(search.base, env_path)).close)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog=program_name("trainers.search"),
        description="Search for the settings that train best. The same command goes on with a search; several "
        "processes and machines may run it at once on one --storage.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "space",
        type=path_option,
        metavar="SPACE",
        help="file of the search (.yaml): settings and the keys to vary",
    )
    parser.add_argument(
        "--trials",
        type=option_reader(Count),
        default=50,
        metavar="N",
        help="trials of the study in all, those of other processes and earlier starts included. Default: 50",
    )
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="database of the study: sqlite:///study.db, or postgresql://user@host/name. Default: OUT/study.db",
    )
    parser.add_argument("--study", metavar="NAME", help="name of the study. Default: that of the file")
    parser.add_argument(
        "--env",
        type=option_reader(PathText),
        help="Gymnasium or PettingZoo id, or the path of a Unity player",
    )
    parser.add_argument(
        "--out", type=path_option, metavar="FOLDER", help="folder of all files. Default: searches/<study>"
    )
    add_overrides(parser, "set any key of the training file, for all trials; it may be repeated")
    return parser
