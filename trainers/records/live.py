"""The progress of a run on a terminal: summaries that stay, and below them bars that move."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Any, cast

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.live import Live
from rich.text import Text

from gym_adapters.text import printable
from trainers.records.bars import REFRESH_SECONDS, Bars, shortened
from trainers.records.metrics import ELO, EPISODE_LENGTH, GROUP_REWARD, REWARD, REWARD_DEVIATION, Summary
from trainers.records.timers import TimerTree
from trainers.records.words import duration, short_count, three_digits

WIDTH = 79
"""Most columns that are drawn on, so that a terminal of 80 columns never wraps a line that moves."""

ERASED_ROW = "\x1b[2K\x1b[1A"
"""Erases a row of the terminal and moves the cursor to the row above."""


class LiveDisplay:
    """One line for each behavior with a bar, and two lines about time. Whatever is said or printed appears above them.

    Args:
        console: the terminal.
        clock: tells the seconds since some moment.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bars = Bars()
        self._live = _Region(self, console=console, refresh_per_second=round(1 / REFRESH_SECONDS))
        self._live.start()

    def tick(self, behavior: str, step: int, max_steps: int, timers: TimerTree) -> None:
        """Move the behavior's bar."""
        self._bars.tick(behavior, step, max_steps, timers, self._clock())

    def summarise(self, summary: Summary) -> None:
        """Print one line that stays, and show the results beside the bar."""
        self._bars.summarise(summary)
        name = f"{shortened(summary.behavior)}  " if len(self._bars) > 1 else ""
        self.say(f"{name}{summary_line(summary)}")

    def say(self, text: str) -> None:
        """Print the text above the bars. The terminal wraps long lines itself, so that they can be copied."""
        with suppress(OSError):  # the terminal was closed
            self._live.console.print(Text(printable(text)), soft_wrap=True)

    def close(self) -> None:
        """Stop drawing; the last state stays on the screen."""
        with suppress(OSError):
            self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = self._bars.lines(min(options.max_width - 1, WIDTH))
        self._live.drawn = [line.cell_len for line in lines]
        yield from lines


class _Region(Live):
    """The lines at the end of the screen that are drawn again and again.

    Attributes:
        drawn: columns of each line as it was drawn last.
    """

    drawn: Sequence[int] = ()

    def __init__(self, *arguments: Any, console: Console, **options: Any) -> None:
        terminal = _Terminal(console)
        self._replaced = terminal.replaced
        console.file = cast(IO[str], terminal)
        super().__init__(*arguments, console=console, **options)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Also erase the rows that a terminal made of the lines when it became narrower and wrapped them."""
        self._replaced.lengths = getattr(self._replaced, "lengths", ()) or self.drawn
        return super().process_renderables(renderables)


class _Terminal:
    """The terminal as a file. It looks at the terminal's width as late as can be: right before it writes.

    Attributes:
        replaced: `lengths`, the columns of each line that the next text of this thread replaces.
    """

    def __init__(self, console: Console) -> None:
        self._console, self._file = console, console.file
        self.replaced = threading.local()

    def write(self, text: str) -> int:
        """Erase the further rows of lines that the terminal wrapped, then write a text."""
        lengths, self.replaced.lengths = getattr(self.replaced, "lengths", ()), ()
        rows = sum(max(length - 1, 0) // max(self._console.width, 1) for length in lengths)
        return self._file.write(ERASED_ROW * rows + text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def summary_line(summary: Summary) -> str:
    """Return a summary as one line that fits 80 columns, without the behavior's name.

    With self-play, the best is an Elo rating, so the present one stands before it. Where the line would be too long, it
    lacks the deviation, and then the best.
    """
    values = summary.values
    start = f"{short_count(summary.step):>6} steps  {duration(summary.elapsed):>7}"
    rest = "" if summary.training else "  not training"
    if not summary.returns:
        return f"{start}  no episode ended{rest}"
    group = f"  group {three_digits(values[GROUP_REWARD])}" if GROUP_REWARD in values else ""
    rating = f"  Elo {three_digits(values[ELO])}" if ELO in values else ""
    deviation = f" ± {three_digits(values[REWARD_DEVIATION])}"
    best = "" if summary.best is None else f"  best {three_digits(summary.best)}"
    for spread, end in ((deviation, best), ("", best), ("", "")):
        reward = f"reward {three_digits(values[REWARD])}{spread}"
        line = f"{start}  {reward}{group}  length {three_digits(values[EPISODE_LENGTH])}{rating}{end}{rest}"
        if len(line) <= WIDTH:
            break
    return line
