"""The table of counts in `docs/reliability.md`."""

import datetime
import platform
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from types import ModuleType

from tests.faults.tools.campaign import Attempt

START, END = "<!-- counts: python -m tests.faults --write -->", "<!-- end of counts -->"
PACKAGES = ("torch", "numpy", "gymnasium", "mlagents-envs")
_ROW = re.compile(r"^\| `(\w+)` \|.*$", re.MULTILINE)


def written(page: str, kinds: Mapping[str, ModuleType], results: Mapping[str, Sequence[Attempt]]) -> str:
    """Return a page with the table between its two marks renewed; the rows of other kinds stay.

    Raises:
        ValueError: the page lacks a mark.
    """
    before, found, rest = page.partition(START)
    table, also_found, after = rest.partition(END)
    if not (found and also_found):
        raise ValueError(f"expected the lines {START} and {END}")
    rows = {match[1]: match[0] for match in _ROW.finditer(table)}
    for name, attempts in results.items():
        rows[name] = _row(name, kinds[name], attempts)
    head = "| kind | faults | tried | survived | minutes | on | with |\n|---|---|---:|---:|---:|---|---|"
    lines = [head, *(rows[name] for name in sorted(rows))]
    return f"{before}{START}\n" + "\n".join(lines) + f"\n{END}{after}"


def _row(name: str, kind: ModuleType, attempts: Sequence[Attempt]) -> str:
    title = (kind.__doc__ or name).strip().splitlines()[0].rstrip(".")
    survived = sum(attempt.survived for attempt in attempts)
    minutes = sum(attempt.seconds for attempt in attempts) / 60
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES)
    surroundings = f"Python {platform.python_version()}, {platform.system()}, {versions}"
    day = datetime.datetime.now(datetime.UTC).date()
    return f"| `{name}` | {title} | {len(attempts)} | {survived} | {minutes:.1f} | {day} | {surroundings} |"
