"""The progress of a run in a Jupyter notebook: lines and curves that are drawn again in their place."""

import csv
import importlib
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from trainers.records.bars import Bars
from trainers.records.live import WIDTH
from trainers.records.metrics import Summary
from trainers.records.progress import LineDisplay
from trainers.records.reports import read_progress
from trainers.records.run_status import PROGRESS
from trainers.records.timers import TimerTree
from trainers.training.callbacks import Callback, Moment

REFRESH_SECONDS = 1.0
"""Each drawing is a message to the browser."""


class Notebook(Callback):
    """A `Display` and a callback: below a cell it shows how far a run is, and a picture of each behavior's returns.

    The pictures are `reward.png` as of the newest summary or evaluation. What the run says is printed, as elsewhere;
    summaries are not, because they are in the picture.

    Args:
        ipython: the module `IPython.display`.
        clock: tells the seconds since some moment.
    """

    def __init__(self, ipython: ModuleType, clock: Callable[[], float] = time.monotonic) -> None:
        self._ipython, self._clock = ipython, clock
        self._bars, self._drawn = Bars(), -REFRESH_SECONDS
        self._places: dict[str, Any] = {}

    def tick(self, behavior: str, step: int, max_steps: int, timers: TimerTree) -> None:
        """See `Display.tick`."""
        now = self._clock()
        self._bars.tick(behavior, step, max_steps, timers, now)
        if now - self._drawn >= REFRESH_SECONDS:
            self._drawn = now
            self._draw_bars()

    def summarise(self, summary: Summary) -> None:
        """See `Display.summarise`."""
        self._bars.summarise(summary)

    def say(self, text: str) -> None:
        """See `Display.say`."""
        LineDisplay().say(text)

    def close(self) -> None:
        """See `Display.close`; the last state stays."""
        self._draw_bars()

    def summary(self, moment: Moment) -> None:
        """Draw the behavior's curve anew."""
        # Here, because matplotlib takes a while to import and a run starts without it.
        from trainers.records.plots import reward_picture

        try:
            rows, _ = read_progress(moment.folder / PROGRESS)
        except (OSError, ValueError, csv.Error):  # it could not be written, which was said
            return
        self._show(f"curve of {moment.behavior}", {"image/png": reward_picture(rows, moment.behavior)})

    evaluation = summary

    def _draw_bars(self) -> None:
        lines = self._bars.lines(WIDTH)
        if lines:
            self._show("bars", {"text/plain": "\n".join(line.plain for line in lines)})

    def _show(self, place: str, content: dict[str, Any]) -> None:
        """Show content by MIME type: at first below what is there, then in the same place."""
        if place in self._places:
            self._places[place].update(content, raw=True)
        else:
            self._places[place] = self._ipython.display(content, raw=True, display_id=True)


def find_notebook() -> Notebook | None:
    """Return the display of a notebook if this process is the kernel of one, else None.

    IPython is not imported unless the process has done so. Its own terminal is no notebook.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if getattr(shell, "kernel", None) is None:
        return None
    try:
        return Notebook(importlib.import_module("IPython.display"))
    except ImportError:
        return None
