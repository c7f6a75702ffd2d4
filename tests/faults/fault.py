"""What a fault is, and which kinds of faults there are.

A kind is a module of this folder. The first line of its docstring is its name in tables. Its function `faults(whole)`
gives the faults to try: a few that take seconds for `make test`, all of them for `python -m tests.faults`.
"""

import importlib
import pkgutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

for neighbour in (
    "trainers",
    "bridge",
    "gym_adapters",
):  # their tools are imported by plain names, as pytest has it
    sys.path.append(str(Path(__file__).parents[1] / neighbour))

NO_KINDS = ("fault", "__main__", "conftest")


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: tells it from the others of its kind; it is a test's id.
        attempt: brings the fault about in an empty folder of its own, and raises an `AssertionError`, or any other
            exception, if something falls that should stand.
    """

    name: str
    attempt: Callable[[Path], None]


def kinds() -> dict[str, ModuleType]:
    """The modules with faults, by name."""
    import tests.faults as folder

    names = [module.name for module in pkgutil.iter_modules(folder.__path__)]
    return {
        name: importlib.import_module(f"tests.faults.{name}")
        for name in sorted(names)
        if name not in NO_KINDS and not name.startswith("test_")
    }


def faults(kind: ModuleType, whole: bool) -> list[Fault]:
    """The faults of a kind: all of them, or the few of `make test`.

    Raises:
        ValueError: two have the same name; only one of them would be tried.
    """
    found = list(kind.faults(whole))
    twice = [name for name, count in Counter(fault.name for fault in found).items() if count > 1]
    if twice:
        raise ValueError(f"{kind.__name__} has two faults {twice[0]!r}")
    return found
