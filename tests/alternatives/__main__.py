"""`python -m tests.alternatives [ROW …]`: what each cell of docs/alternatives.md rests on, and whether it is so."""

import argparse
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.alternatives.evidence import EVIDENCE
from tests.alternatives.kinds import ROOT, Evidence, Packages
from tests.alternatives.packages import VERSIONS, downloaded

PAGE = ROOT / "docs" / "alternatives.md"
Table = Mapping[str, Mapping[str, str]]
"""The cells of a table, by row and column."""

Backing = Mapping[str, Mapping[str, Sequence[Evidence]]]
"""Their evidence."""


def table(page: str) -> Table:
    """The first table of a page of Markdown."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    (_, *columns), _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row: dict(zip(columns, cells, strict=True)) for row, *cells in rows}


def disagreements(cells: Table, evidence: Backing) -> list[str]:
    """The cells without evidence, and the evidence without a cell."""
    there = {(row, column) for row, columns in cells.items() for column in columns}
    backed = {(row, column) for row, columns in evidence.items() for column, each in columns.items() if each}
    return [
        *(f"{row}, {column}: no evidence" for row, column in sorted(there - backed)),
        *(f"{row}, {column}: no such cell in the page" for row, column in sorted(backed - there)),
    ]


def show(cells: Table, evidence: Backing, packages: Packages, rows: Sequence[str]) -> list[str]:
    """Print the cells of some rows with their evidence, and return what is missing."""
    failures = []
    for row in rows:
        print(f"\n## {row}")
        for column, claim in cells[row].items():
            print(f"{column}: {claim}")
            for each in evidence[row][column]:
                missing = each.missing(packages)
                print(f"  {'MISSING' if missing else each.known:7} {each}")
                failures += [f"{row}, {column}: {what}" for what in missing]
    return failures


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 1 if evidence is missing, or the page and the evidence speak of different cells."""
    parser = argparse.ArgumentParser(prog="python -m tests.alternatives", description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="a row of the page. Default: all")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="where the packages are kept. Default: nowhere"
    )
    arguments = parser.parse_args(argv)
    cells = table(PAGE.read_text(encoding="utf-8"))
    if unknown := set(arguments.rows) - set(cells):
        parser.error(f"unknown: {'; '.join(sorted(unknown))}. There are: {'; '.join(cells)}")
    failures = disagreements(cells, EVIDENCE)
    if not failures:
        with tempfile.TemporaryDirectory() as folder:
            try:
                packages = downloaded(arguments.cache or Path(folder), VERSIONS)
            except subprocess.CalledProcessError:
                return 1
        failures = show(cells, EVIDENCE, packages, arguments.rows or list(cells))
    print("\n" + ("\n".join(f"missing: {failure}" for failure in failures) or "Nothing is missing."))
    return int(bool(failures))


if __name__ == "__main__":
    raise SystemExit(main())
