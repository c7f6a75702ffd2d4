"""The command line of comparisons."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from gym_adapters.errors import UserError
from trainers.compare.page import write_page
from trainers.compare.report import Report, make_report
from trainers.compare.runs import group_runs, read_runs
from trainers.compare.table import print_report

PAGE = "report.html"


def main(argv: Sequence[str] | None = None) -> int:
    """Compare as the command line says; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        runs = read_runs(arguments.runs, arguments.behavior)
        publish(make_report(group_runs(runs, arguments.names or ())), arguments.out)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def publish(report: Report, out: Path) -> None:
    """Print the table and write the page.

    Raises:
        UserError: it cannot be written.
    """
    print_report(report, Console(width=None if sys.stdout.isatty() else 140))
    page = out / PAGE
    write_page(report, page)
    print(f"page: {page}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.compare",
        description="Compare runs of this trainer and of mlagents-learn: a table, and a page to be mailed.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help="run folders, runs/<id> or results/<id>"
    )
    parser.add_argument("--names", nargs="+", metavar="NAME", help="one for each run; seeds have the same")
    parser.add_argument("--behavior", help="which one, if the runs have several")
    parser.add_argument("--out", type=Path, default=Path("comparison"), help="folder of report.html. Default: comparison.")
    return parser
