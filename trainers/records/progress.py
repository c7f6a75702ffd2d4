"""The progress of a run on the screen: a live display on a terminal, summary lines elsewhere."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from gym_adapters.text import one_line, printable
from trainers.records.metrics import EPISODE_LENGTH, REWARD, Summary
from trainers.records.reports import console_line
from trainers.records.timers import TimerTree

REFRESH_SECONDS = 0.25


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
        """Print the line without buffering it."""
        try:
            sys.stdout.write(printable(text) + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):  # its reader is gone: a pipe to `head`, a terminal that was closed
            silence_stdout()

    def close(self) -> None:
        """Nothing to undo."""


class LiveDisplay:
    """One bar for each behavior, with steps per second, time left and last results, and a line of time shares."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[result]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._moved: dict[str, float] = {}
        self._timers = TimerTree()
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4)
        self._live.start()

    def tick(self, behavior: str, step: int, max_steps: int, timers: TimerTree) -> None:
        """Move the behavior's bar, at most every `REFRESH_SECONDS`."""
        now = time.monotonic()
        if (
            behavior in self._tasks
            and step < max_steps
            and now - self._moved.get(behavior, 0.0) < REFRESH_SECONDS
        ):
            return
        self._moved[behavior] = now
        self._timers = timers
        if behavior not in self._tasks:
            name = escape(one_line(behavior))  # square brackets would be read as markup
            self._tasks[behavior] = self._progress.add_task(name, total=max_steps, speed="", result="")
        task = self._tasks[behavior]
        self._progress.update(task, completed=min(step, max_steps))
        speed = self._progress.tasks[task].speed
        if speed:
            self._progress.update(task, speed=f"{speed:,.0f} steps/s")

    def summarise(self, summary: Summary) -> None:
        """Show the latest mean reward and episode length."""
        if summary.behavior in self._tasks and summary.returns:
            result = f"reward {summary.values[REWARD]:,.1f}, length {summary.values[EPISODE_LENGTH]:,.0f}"
            self._progress.update(self._tasks[summary.behavior], result=result)

    def say(self, text: str) -> None:
        """Print the line above the bars."""
        with suppress(OSError):  # the terminal was closed
            self._live.console.print(Text(printable(text)))

    def close(self) -> None:
        """Stop drawing; the last state stays on the screen."""
        with suppress(OSError):
            self._live.stop()

    def _render(self) -> RenderableType:
        shares = "  ".join(f"{name} {share:.0%}" for name, share in self._timers.shares().items())
        return Group(self._progress, Text(f"time: {shares}" if shares else "", style="dim"))


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
    """The live display if standard output is a terminal, else lines."""
    console = Console()
    return LiveDisplay(console) if console.is_terminal else LineDisplay()
