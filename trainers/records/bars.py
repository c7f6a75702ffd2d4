"""How far a run is, as lines that are drawn again and again: a bar for each behavior, and two lines about time."""

from collections import deque
from dataclasses import dataclass, field

from rich.text import Text

from gym_adapters.text import one_line
from trainers.records.metrics import ELO, GROUP_REWARD, REWARD, Summary
from trainers.records.timers import TimerTree
from trainers.records.words import duration, short_count, three_digits

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


class Bars:
    """The behaviors of a run, with their steps and last results."""

    def __init__(self) -> None:
        self._tracks: dict[str, Track] = {}
        self._timers = TimerTree()

    def __len__(self) -> int:
        """Return the number of behaviors."""
        return len(self._tracks)

    def tick(self, behavior: str, step: int, max_steps: int, timers: TimerTree, now: float) -> None:
        """Move the behavior's bar, at most every `REFRESH_SECONDS`; `now` is in seconds since some moment."""
        track = self._tracks.setdefault(behavior, Track())
        if track.samples and step < max_steps and now - track.moved < REFRESH_SECONDS:
            return
        self._timers, track.total = timers, max_steps
        track.move(step, now)

    def summarise(self, summary: Summary) -> None:
        """Show the results beside the behavior's bar."""
        track = self._tracks.setdefault(summary.behavior, Track())
        if summary.returns:
            name, tag = ("Elo", ELO) if ELO in summary.values else ("reward", REWARD)
            track.result = f"{name} {three_digits(summary.values[tag])}"
            if GROUP_REWARD in summary.values and tag == REWARD:
                track.result += f"  group {three_digits(summary.values[GROUP_REWARD])}"
            if summary.best is not None:
                track.result += f"  best {three_digits(summary.best)}"

    def lines(self, width: int) -> list[Text]:
        """Return the lines, each of at most `width` columns; none before the first step."""
        tracks = list(self._tracks.items())  # a copy, because another thread draws
        lines = [_bar_line(name, track, width) for name, track in tracks if track.samples]
        if lines:
            lines += [Text(self._time_line()), Text(self._shares_line(), style="dim")]
        for line in lines:
            line.truncate(width, overflow="ellipsis" if width > 1 else "crop")
        return lines

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
