"""Train a policy on demonstrations alone: `python -m trainers.clone CONFIG --demo expert.demo [options]`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from gym_adapters.commands import CommandParser, module_command, option, program_name
from gym_adapters.errors import UserError, exit_status
from gym_adapters.text import log_to_terminal
from trainers.config import load_settings
from trainers.config.base import PathText, Whole
from trainers.config.options import add_overrides, option_reader, path_option
from trainers.imitation.fitting import GRADIENT_STEPS
from trainers.optim.launch import launched
from trainers.records.progress import LineDisplay, open_missing_streams
from trainers.training.announcements import playing_lines
from trainers.training.arguments import add_option, settings_of
from trainers.training.clone import clone
from trainers.training.default_files import default_file

OPTIONS = {
    "--env": "env_settings.env_path",
    "--run-id": "checkpoint_settings.run_id",
    "--results-dir": "checkpoint_settings.results_dir",
    "--initialize-from": "checkpoint_settings.initialize_from",
    "--force": "checkpoint_settings.force",
    "--seed": "env_settings.seed",
    "--torch-device": "torch_settings.device",
}
REPEATED = ("--env", "--results-dir")
"""Options that a training needs too which starts from the clone."""


def main(argv: Sequence[str] | None = None) -> int:
    """Clone as the command line says; returns the exit status."""
    open_missing_streams()
    given = vars(_parser().parse_args(argv))
    log_to_terminal()
    path, demo, epochs = given.pop("trainer_config_path"), given.pop("demo"), given.pop("epochs")
    train_on = [path] if path is not None else []
    try:
        if launched() is not None:
            raise UserError("trainers.clone trains in one process; start it without torchrun")
        if epochs is not None and epochs < 1:
            raise UserError(f"--epochs {epochs}: expected 1 or more")
        overrides = tuple(given.pop("overrides"))
        kept = {name: given[key] for name, key in OPTIONS.items() if name in REPEATED and key in given}
        train_on += [word for name, value in kept.items() for word in option(name, value)]
        train_on += [word for text in overrides for word in option("--set", text)]
        options = settings_of(given)
        settings = load_settings(path or default_file(overrides, options), overrides, options)
        folder = clone(settings, demo, epochs, LineDisplay())
    except BaseException as error:  # libraries in other languages raise their own
        return exit_status(error)
    say, run_id = LineDisplay().say, folder.parent.name
    say(f"  results    {Path(settings.checkpoint_settings.results_dir, run_id)}")
    for line in playing_lines(settings, folder):
        say(line)
    say(f"  train on   {module_command('trainers', *train_on, *option('--initialize-from', run_id))}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog=program_name("trainers.clone"),
        description="Train a policy on demonstrations alone. The run folder is like that of any training.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument(
        "trainer_config_path",
        nargs="?",
        type=path_option,
        default=None,
        help="Training file (.yaml). Default: the file tuned for the Gymnasium environment.",
    )
    parser.add_argument(
        "--demo",
        required=True,
        type=option_reader(PathText),
        metavar="FILE",
        help="A .demo file, a folder of them, or minari:DATASET-ID.",
    )
    parser.add_argument(
        "--epochs",
        type=option_reader(Whole),
        default=None,
        help="Most passes over the demonstrations; it ends early when the held-out part gets no better. "
        f"Default: as many as take about {GRADIENT_STEPS:,} gradient steps.",
    )
    for name, key in OPTIONS.items():
        add_option(parser, name, key)
    add_overrides(
        parser,
        "Set any key of the training file, for example behaviors.*.hyperparameters.learning_rate=1e-3.",
    )
    return parser
