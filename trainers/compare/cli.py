"""The command `python -m trainers.compare`."""

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bridge.process import looks_like_player
from gym_adapters.commands import CommandParser, program_name
from gym_adapters.errors import UserError, exit_status
from trainers.compare.experiments import experiment_report, load_experiments
from trainers.compare.groups import group_runs
from trainers.compare.page import write_page
from trainers.compare.plan import Plan, begun, load_variant, removed_keys
from trainers.compare.report import Report, make_report
from trainers.compare.runs import Run, read_runs
from trainers.compare.table import print_report
from trainers.compare.training import train_all
from trainers.config.base import Count, PathText, SentCountOrZero
from trainers.config.options import add_overrides, option_reader, path_option

PAGE = "report.html"
USAGE = """
  %(prog)s RUN RUN ... [--names NAME ...]
  %(prog)s --train CONFIG.yaml --env ENV --mlagents-learn PATH [--seeds 0,1,2] [--agents 10]
  %(prog)s --experiments FILE.yaml --mlagents-learn PATH"""
OF_TRAINING = {
    "--env": "env",
    "--mlagents-learn": "mlagents_learn",
    "--seeds": "seeds",
    "--agents": "agents",
    "--set": "overrides",
}
OF_RUNS = {"--names": "names"}
"""Options that are about training, and about finished runs, with their names in the parser's result."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 after an error that the user can fix, 130 after Ctrl-C."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a behavior may have letters that it cannot show
        sys.stdout.reconfigure(errors="replace")
    parser = _parser()
    arguments = parser.parse_args(argv)
    if sum(map(bool, (arguments.runs, arguments.train, arguments.experiments))) != 1:
        parser.error("give run folders, or --train, or --experiments")
    if arguments.train and not arguments.env:
        parser.error("--train needs --env")
    unused = OF_TRAINING if arguments.runs else OF_RUNS
    given = [option for option, name in unused.items() if getattr(arguments, name)]
    if given:
        use = "--train and --experiments only" if arguments.runs else "run folders only"
        parser.error(f"{', '.join(given)}: for {use}")
    try:
        if arguments.runs:
            runs = read_runs(arguments.runs, arguments.behavior)
            publish(make_report(group_runs(runs, arguments.names or ())), arguments.out or Path("comparison"))
            return 0
        return _train(arguments)
    except (UserError, KeyboardInterrupt) as error:
        return exit_status(error)


def _train(arguments: argparse.Namespace) -> int:
    """Train the missing runs and write the report. After an error or Ctrl-C, the report has the runs so far."""
    source = arguments.train or arguments.experiments
    out = arguments.out or Path("comparison", source.stem)
    experiments = None
    if arguments.experiments:
        experiments = load_experiments(
            source,
            out,
            arguments.mlagents_learn,
            arguments.env,
            arguments.seeds,
            arguments.agents,
            arguments.overrides,
        )
        plan = experiments.plan
    else:
        variant = load_variant(source.stem, source, arguments.overrides, arguments.env)
        seeds = tuple(arguments.seeds or (0, 1, 2))
        plan = Plan((variant,), arguments.env, arguments.agents or 10, seeds, arguments.mlagents_learn, out)
    failure: UserError | None = None
    interrupted = False
    try:
        train_all(plan)
    except KeyboardInterrupt:
        interrupted = True
    except UserError as error:
        failure = error
    folders = begun(plan)
    if folders:
        runs, unread = _readable(folders, arguments.behavior)
        if runs:
            report = experiment_report(experiments, runs) if experiments else make_report(group_runs(runs))
            publish(replace(report, notes=[*_notes(plan, len(runs)), *unread, *report.notes]), out)
    if failure is not None:
        raise failure
    if interrupted:
        print("interrupted; the same command continues from here", file=sys.stderr)
        return 130
    return 0


def _readable(folders: Sequence[Path], behavior: str | None) -> tuple[list[Run], list[str]]:
    """Return the runs that have a summary, and the errors of the others."""
    runs: list[Run] = []
    notes: list[str] = []
    for folder in folders:
        try:
            runs += read_runs([folder], behavior)
        except UserError as error:
            notes.append(str(error))
    return runs, notes


def _notes(plan: Plan, there: int) -> list[str]:
    """Return the remarks about the training."""
    seeds = ", ".join(map(str, plan.seeds))
    place = Path(plan.env).name if looks_like_player(plan.env) else plan.env
    notes = [f"Trained one after the other over Unity's protocol: {place}; seeds: {seeds}."]
    if not looks_like_player(plan.env):
        notes.append(
            f"Both trainers started the same player: python -m bridge.player, {plan.agents} environments."
        )
    if there < len(plan.jobs()):
        notes.append(
            f"Only {there} of {len(plan.jobs())} runs have started; the same command continues from here."
        )
    removed = {variant.name: ", ".join(removed_keys(variant.settings)) for variant in plan.variants}
    given = [
        f"{name}: mlagents-learn did not get these keys: {keys}." for name, keys in removed.items() if keys
    ]
    return notes + (given or ["mlagents-learn got all keys that differ from their defaults."])


def publish(report: Report, out: Path) -> None:
    """Print the table and write the page.

    Raises:
        UserError: The page cannot be written.
    """
    print_report(report, Console(width=None if sys.stdout.isatty() else 140))
    page = out / PAGE
    write_page(report, page)
    print(f"page: {page}")


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog=program_name("trainers.compare"),
        usage=USAGE,
        description="Compare runs of this trainer and of mlagents-learn in a table and on a self-contained page.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "runs", nargs="*", type=path_option, metavar="RUN", help="run folders, runs/<id> or results/<id>"
    )
    parser.add_argument(
        "--names",
        nargs="+",
        metavar="NAME",
        help="a name for each run; the seeds of a group have the same name",
    )
    parser.add_argument("--behavior", help="the behavior to compare, if the runs have several")
    parser.add_argument(
        "--out",
        type=path_option,
        metavar="DIR",
        help="folder of report.html. Default: comparison, or comparison/<name of the file>",
    )
    parser.add_argument(
        "--train",
        type=path_option,
        metavar="CONFIG",
        help="training file with which both trainers train first",
    )
    parser.add_argument(
        "--experiments", type=path_option, metavar="FILE", help="file with variants of a training file"
    )
    parser.add_argument(
        "--env",
        type=option_reader(PathText),
        help="Gymnasium or PettingZoo id, which runs in bridge.player, or the path of a Unity player",
    )
    parser.add_argument(
        "--mlagents-learn", type=option_reader(PathText), metavar="PATH", help="program mlagents-learn"
    )
    parser.add_argument(
        "--seeds", type=_seeds, help="seeds, separated by commas. Default: 0,1,2, or those of the file"
    )
    parser.add_argument("--agents", type=option_reader(Count), help="environments of an id. Default: 10")
    add_overrides(parser, "set any key of the training file; it may be repeated")
    return parser


def _seeds(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(map(option_reader(SentCountOrZero), text.split(","))))
