"""Commands that programs print, ready to be pasted into a shell, and what the parsers of commands share."""

import argparse
import difflib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

LAST = "last"
"""The value of `--checkpoint` that means the newest one."""
_STARTED_AS: ContextVar[str | None] = ContextVar("started_as", default=None)


def module_command(module: str, *arguments: object) -> str:
    """Return the command that runs a module, with the interpreter that runs now and with quotes where they are needed.

    For example `.venv/bin/python -m trainers.evaluate 'my runs/walker'`.

    Args:
        module: the module's name.
        arguments: what follows it, one word each.
    """
    return shell_line(interpreter(), "-m", module, *arguments)


@contextmanager
def started_as(name: str | None) -> Iterator[None]:
    """Let usage lines call the program that runs inside by a name, such as `bridge evaluate`; None: as its module."""
    token = _STARTED_AS.set(name)
    try:
        yield
    finally:
        _STARTED_AS.reset(token)


def program_name(module: str) -> str:
    """Return what a program is called in its usage: as it was started, else the command that runs its module."""
    return _STARTED_AS.get() or module_command(module)


def install_command(*packages: str) -> str:
    """Return the command that installs packages for the interpreter that runs now."""
    return module_command("pip", "install", *packages)


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add the option `--checkpoint`, which chooses one of a run's checkpoints; the default is `LAST`."""
    parser.add_argument(
        "--checkpoint",
        default=LAST,
        metavar="last|best|STEP",
        help="the last checkpoint, the best, or that of an agent-step count. Default: last.",
    )


def shell_line(*words: object) -> str:
    """Return words as one line that a shell splits into the same words."""
    texts = list(map(str, words))
    return subprocess.list2cmdline(texts) if os.name == "nt" else shlex.join(texts)


def interpreter() -> str:
    """Return the path of the interpreter that runs, relative to the current folder if it lies there.

    Symbolic links are kept, because a virtual environment's interpreter is one.
    """
    return nearby(sys.executable) if sys.executable else "python"  # embedded in another program


def nearby(path: str) -> str:
    """Return a path relative to the current folder if it lies there, else as it is."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere; or the current folder was deleted
        return path


SIMILAR = 0.7
"""Least similarity of two options of which one may be meant; the two dashes alone make short ones alike."""


class CommandParser(argparse.ArgumentParser):
    """A parser that names the option that a mistyped one may mean."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a command line; exit with status 2 if an argument is not known."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            typed = next((word for word in unknown if word.startswith("-")), "").partition("=")[0]
            advice = self.advice(typed)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{advice and f'; {advice}'}")
        return found

    def advice(self, typed: str) -> str:
        """Return what to do about an option that is not known; empty if that is unclear."""
        shown = [action for action in self._actions if action.help != argparse.SUPPRESS]
        known = [text for action in shown for text in action.option_strings]
        begun = [text for text in known if len(typed) > 3 and text.startswith(typed)][:3]
        near = begun or difflib.get_close_matches(typed, known, n=1, cutoff=SIMILAR)
        return f"did you mean {' or '.join(near)}?" if near else ""


def option(name: str, value: object) -> list[str]:
    """Return the words of an option with a value. A value with a dash at its start would be read as an option."""
    return [f"{name}={value}"] if str(value).startswith("-") else [name, str(value)]
