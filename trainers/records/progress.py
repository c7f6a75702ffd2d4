"""The progress of a run on the screen: a live display on a terminal, summary lines elsewhere."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

from rich.console import Console

from gym_adapters.text import printable
from trainers.records.live import LiveDisplay
from trainers.records.metrics import Summary
from trainers.records.reports import console_line
from trainers.records.timers import TimerTree


@runtime_checkable
class Display(Protocol):
    """Shows the progress of a run."""

    def tick(self, behavior: str, step: int, max_steps: int, timers: TimerTree) -> None:
        """Show how far a behavior is; called every environment step, so it must be cheap."""

    def summarise(self, summary: Summary) -> None:
        """Show a summary."""

    def say(self, text: str) -> None:
        """Print one line that stays."""

    def close(self) -> None:
        """Put the terminal back as it was."""


class LineDisplay:
    """ML-Agents' summary lines, for logs and pipes."""

    def tick(self, behavior: str, step: int, max_steps: int, timers: TimerTree) -> None:
        """Nothing to do between summaries."""

    def summarise(self, summary: Summary) -> None:
        """Print the summary line."""
        self.say(f"[INFO] {console_line(summary)}")

    def say(self, text: str) -> None:
        """Print the line without buffering it. Letters that the output cannot show become question marks."""
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        shown = printable(text).encode(encoding, "replace").decode(encoding)
        try:
            sys.stdout.write(f"{shown}\n")
            sys.stdout.flush()
        except (OSError, ValueError):  # its reader is gone: a pipe to `head`, a terminal that was closed
            silence_stdout()

    def close(self) -> None:
        """Nothing to undo."""


def silence_stdout() -> None:
    """Write to nowhere from now on, so that neither the rest of the run nor Python's own end fails on it."""
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    with suppress(OSError, ValueError):
        os.dup2(sys.stdout.fileno(), 1)


def open_missing_streams() -> None:
    """Open the standard streams that were closed when Python started, to nowhere.

    Otherwise the next file that is opened takes a stream's number, and whatever is printed goes into it.
    """
    for number in range(3):
        with suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def make_display() -> Display:
    """Return the live display if standard output is a terminal that can move its cursor, else lines.

    Lines are for pipes, for `TERM=dumb`, and for the consoles of editors. For notebooks: `trainers.training.notebook`.
    """
    # An exported size would hide that the window changes.
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    console = Console(_environ=environment)
    is_terminal = sys.stdout.isatty() and console.is_interactive and not console.is_jupyter
    return LiveDisplay(console) if is_terminal and console.encoding.startswith("utf") else LineDisplay()
