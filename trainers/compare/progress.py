"""The progress of a comparison's training."""

import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from gym_adapters.text import printable


class Progress:
    """Two progress bars on a terminal, for all runs and for the current run. Lines of text elsewhere.

    Args:
        runs: Number of all runs.
        done: Number of runs that are already finished.
    """

    def __init__(self, runs: int, done: int) -> None:
        self._runs, self._done, self._name, self._steps = runs, done, "", 0
        self._start = time.monotonic()
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
        self._bars = Bars(*columns, TimeRemainingColumn(), TextColumn("{task.fields[result]}"))
        self._live = Console().is_terminal
        self._all: TaskID | None = None
        self._one: TaskID | None = None

    def __enter__(self) -> "Progress":
        if self._live:
            self._bars.start()
            self._all = self._bars.add_task("all runs", total=self._runs, completed=self._done, result="")
        elif self._done:
            self.say(f"{self._done} of {self._runs} runs are already finished")
        return self

    def __exit__(self, *problem: object) -> None:
        if self._live:
            self._bars.stop()

    def begin(self, name: str, steps: int) -> None:
        """Show that a run starts."""
        self._name, self._steps, self._start = name, steps, time.monotonic()
        if self._live:
            self._one = self._bars.add_task(name, total=steps, result="starting")
        else:
            self.say(f"[{self._done + 1}/{self._runs}] {name}")

    def summary(self, step: int, reward: float | None) -> None:
        """Show a summary of the current run."""
        result = "no episode ended yet" if reward is None else f"reward {reward:,.1f}"
        if self._one is not None:
            self._bars.update(self._one, completed=min(step, self._steps), result=result)
        else:
            self.say(
                f"[{self._done + 1}/{self._runs}] {self._name}: {step:,} of {self._steps:,} steps, {result}"
            )

    def finish(self) -> None:
        """Show that the current run has finished."""
        self._done += 1
        if self._all is not None and self._one is not None:
            self._bars.update(self._all, completed=self._done)
            self._bars.update(self._one, visible=False)
        self.say(f"[{self._done}/{self._runs}] {self._name}: done in {time.monotonic() - self._start:,.0f} s")

    def say(self, text: str) -> None:
        """Print one line."""
        if self._live:
            self._bars.console.print(printable(text), highlight=False, markup=False)
        else:
            sys.stdout.write(printable(text) + "\n")
            sys.stdout.flush()
