"""Tries every fault; `python -m tests.faults --help` says how."""

import argparse
import fnmatch
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from tests.faults.fault import faults, kinds
from tests.faults.tools.campaign import Attempt, attempts
from tests.faults.tools.table import written


def main(argv: Sequence[str] | None = None) -> int:
    """Try the faults; return 1 if anything fell."""
    known = kinds()
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Tries faults.")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(known)}; default: all")
    parser.add_argument("--few", action="store_true", help="only the faults that `make test` tries")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="faults of such a name, as ppo-1*")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="faults tried at the same time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what came of each fault")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the table of counts in this page")
    arguments = parser.parse_args(argv)
    if arguments.write and (arguments.few or arguments.only != "*"):
        parser.error("--write: the table is of all faults; leave --few and --only out")
    unknown = sorted(set(arguments.kinds) - set(known))
    if unknown or arguments.jobs < 1:
        parser.error(f"unknown kind {unknown[0]!r}" if unknown else "--jobs: expected 1 or more")

    chosen = {name: kind for name, kind in known.items() if name in (arguments.kinds or known)}
    results: dict[str, list[Attempt]] = {}
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        for name, kind in chosen.items():
            names = [fault.name for fault in faults(kind, not arguments.few)]
            names = fnmatch.filter(names, arguments.only)
            place = Path(folder, name)
            results[name] = attempts(name, names, not arguments.few, arguments.jobs, place)
            report(kind, name, results[name])
            keep(arguments, chosen, results)
    return int(any(not attempt.survived for found in results.values() for attempt in found))


def keep(
    arguments: argparse.Namespace,
    chosen: Mapping[str, ModuleType],
    results: Mapping[str, Sequence[Attempt]],
) -> None:
    """Write what came of the kinds so far, so that a campaign that ends early leaves them."""
    if arguments.json:
        record = {name: [vars(attempt) for attempt in found] for name, found in results.items()}
        arguments.json.write_text(json.dumps(record, indent=1), encoding="utf-8")
    if arguments.write:
        page = arguments.write.read_text(encoding="utf-8")
        arguments.write.write_text(written(page, chosen, results), encoding="utf-8")


def report(kind: ModuleType, name: str, found: Sequence[Attempt]) -> None:
    """Print a line about a kind, and the last lines of each fault that something fell by."""
    fell = [attempt for attempt in found if not attempt.survived]
    seconds = sum(attempt.seconds for attempt in found)
    print(f"{name}: {len(found)} tried, {len(found) - len(fell)} survived, {seconds:.0f} s", flush=True)
    for attempt in fell:
        print(f"  fell: {attempt.fault}", *attempt.last_lines, sep="\n    ", flush=True)


if __name__ == "__main__":
    sys.exit(main())
