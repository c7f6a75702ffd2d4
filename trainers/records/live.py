"""The progress of a run on a terminal: summaries that stay, and below them bars that move."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from gym_adapters.text import one_line, printable
from trainers.records.metrics import EPISODE_LENGTH, GROUP_REWARD, REWARD, REWARD_DEVIATION, Summary
from trainers.records.timers import TimerTree
from trainers.records.words import duration, short_count, three_digits

WIDTH = 79
"""Most columns that are drawn on, so that a terminal of 80 columns never wraps a line that moves."""
NAME = 16
BAR = 30
REFRESH_SECONDS = 0.25
SAMPLE_SECONDS = 1.0
SPEED_SECONDS = 300.0
"""The speed is the mean of this time. Rollouts and updates alternate, so a short mean would jump."""


@dataclass
class Track:
    """How far a behavior is.

    Attributes:
        total: its `max_steps`.
        step: agent steps in all.
        moved: when `step` was set.
        result: its last results, as text.
        samples: moments of the last `SPEED_SECONDS`, and the agent steps then.
    """

    total: int = 0
    step: int = 0
    moved: float = 0.0
    result: str = ""
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    def move(self, step: int, now: float) -> None:
        """Set the step, and keep a sample of it now and then."""
        self.step, self.moved = step, now
        if not self.samples or now - self.samples[-1][0] >= SAMPLE_SECONDS:
            self.samples.append((now, step))
            while now - self.samples[0][0] > SPEED_SECONDS:
                self.samples.popleft()

    @property
    def speed(self) -> float:
        """Agent steps per second; 0 before there are two samples."""
        (start, first), (end, last) = self.samples[0], self.samples[-1]
        return (last - first) / (end - start) if end > start else 0.0


class LiveDisplay:
    """One line for each behavior with a bar, and two lines about time. Whatever is said or printed appears above them.

    Args:
        console: the terminal.
        clock: tells the seconds since some moment.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tracks: dict[str, Track] = {}
        self._timers = TimerTree()
        self._live = _Region(self, console=console, refresh_per_second=round(1 / REFRESH_SECONDS))
        self._live.start()

    def tick(self, behavior: str, step: int, max_steps: int, timers: TimerTree) -> None:
        """Move the behavior's bar, at most every `REFRESH_SECONDS`."""
        now, track = self._clock(), self._tracks.setdefault(behavior, Track())
        if track.samples and step < max_steps and now - track.moved < REFRESH_SECONDS:
            return
        self._timers, track.total = timers, max_steps
        track.move(step, now)

    def summarise(self, summary: Summary) -> None:
        """Print one line that stays, and show the results beside the bar."""
        track = self._tracks.setdefault(summary.behavior, Track())
        if summary.returns:
            track.result = f"reward {three_digits(summary.values[REWARD])}"
            if summary.best is not None:
                track.result += f"  best {three_digits(summary.best)}"
        name = f"{shortened(summary.behavior)}  " if len(self._tracks) > 1 else ""
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
        width = min(options.max_width - 1, WIDTH)
        tracks = list(self._tracks.items())  # a copy, because another thread draws
        lines = [_bar_line(name, track, width) for name, track in tracks if track.samples]
        if lines:
            lines += [Text(self._time_line()), Text(self._shares_line(), style="dim")]
        for line in lines:
            line.truncate(width, overflow="ellipsis" if width > 1 else "crop")
        self._live.drawn = [line.cell_len for line in lines]
        yield from lines

    def _time_line(self) -> str:
        tracks = [track for track in list(self._tracks.values()) if track.samples]
        text = f"{duration(self._timers.elapsed)} elapsed"
        unfinished = [track for track in tracks if track.step < track.total]
        if unfinished and all(track.speed for track in unfinished):
            left = max((track.total - track.step) / track.speed for track in unfinished)
            text += f", about {duration(left)} left"
        speed = sum(track.speed for track in tracks)
        return f"{text}, {speed:,.0f} steps/s" if speed else text

    def _shares_line(self) -> str:
        shares = self._timers.percentages()
        return "time: " + ", ".join(f"{name} {share}%" for name, share in shares.items())


class _Region(Live):
    """The lines at the end of the screen that are drawn again and again.

    Attributes:
        drawn: columns of each line as it was drawn last.
    """

    drawn: list[int] = []  # noqa: RUF012 - replaced, never changed

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Also erase the rows that a terminal made of the lines when it became narrower and wrapped them."""
        rows = sum(max(length - 1, 0) // max(self.console.width, 1) for length in self.drawn)
        erase = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))
        return [Control(*erase * rows), *super().process_renderables(renderables)]


def summary_line(summary: Summary) -> str:
    """Return a summary as one line that fits 80 columns, without the behavior's name."""
    parts = [f"{short_count(summary.step):>6} steps", f"{duration(summary.elapsed):>7}"]
    if not summary.returns:
        parts.append("no episode ended")
    else:
        deviation = three_digits(summary.values[REWARD_DEVIATION])
        parts.append(f"reward {three_digits(summary.values[REWARD])} ± {deviation}")
        if GROUP_REWARD in summary.values:
            parts.append(f"group {three_digits(summary.values[GROUP_REWARD])}")
        parts.append(f"length {three_digits(summary.values[EPISODE_LENGTH])}")
        if summary.best is not None:
            parts.append(f"best {three_digits(summary.best)}")
    return "  ".join(parts if summary.training else [*parts, "not training"])


def shortened(name: str) -> str:
    """Return a name with at most `NAME` letters."""
    return one_line(name, NAME)


def _bar_line(name: str, track: Track, width: int) -> Text:
    """Return the line of a behavior; the bar takes the columns that are left."""
    share = min(track.step / track.total, 1.0) if track.total else 0.0
    counts = f"{short_count(track.step)}/{short_count(track.total)}  {int(share * 100):2}%"
    before, after = f"{shortened(name)}  ", f"  {counts}  {track.result}".rstrip()
    columns = min(width - Text(before + after).cell_len, BAR)
    done = round(share * columns)
    return Text.assemble(
        (before, "bold"), ("━" * done, "bar.complete"), ("─" * (columns - done), "dim"), after
    )
