"""`monitor.csv`: one row for each episode, in the format of Stable-Baselines3's and Gym's monitor."""

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gym_adapters.errors import refusal_named
from trainers.records.reports import set_aside

COLUMNS = ("r", "l", "t", "step")
"""Raw return, decisions, seconds since `t_start`, and agent steps of the run when the episode ended."""


class MonitorFile:
    """Appends rows to `monitor.csv`, which `stable_baselines3.common.monitor.load_results` reads.

    The first line is a comment with JSON, `#{"t_start": 1764370000.5, "env_id": "CartPole-v1"}`, the second one has the
    columns. Rows are on their way to the disk when `write` returns, so a crash of this process loses none.

    Args:
        folder: the behavior's folder.
        env_id: the environment, for the first line.
        resume: whether to go on with the file, if there is one. No row is dropped.
        clock: tells the seconds since 1970.

    Attributes:
        note: a message for the user, if the earlier file cannot be gone on with; else empty.

    Raises:
        UserError: the earlier file can neither be read nor renamed.
    """

    def __init__(
        self, folder: Path, env_id: str, resume: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self.path, self.note = folder / "monitor.csv", ""
        self._env_id, self._clock = env_id, clock
        self._start, self._length, self._seconds = clock(), 0, 0.0
        self._waiting: list[str] = []
        self._refused = False
        if resume:
            with refusal_named(self.path):
                self._take_over()

    def write(self, episodes: Sequence[tuple[float, float]], step: int) -> None:
        """Add the episodes that ended in a step.

        Args:
            episodes: the raw return, own and group rewards together, and the number of decisions of each.
            step: agent steps so far.

        Raises:
            OSError: the file could not be written, and this is new. The next call writes these rows too.
        """
        # never less than before, if the clock was set back: readers sort by it
        seconds = self._seconds = max(self._seconds, round(self._clock() - self._start, 6))
        self._waiting += [f"{round(value, 6)},{int(length)},{seconds},{step}\n" for value, length in episodes]
        try:
            self._append("".join(self._waiting))
        except OSError:
            if not self._refused:
                self._refused = True
                raise
        else:
            self._waiting, self._refused = [], False

    def _append(self, text: str) -> None:
        """Write text behind what is known to be whole; what a refused write has left there is overwritten."""
        length = self._length if self.path.exists() else 0
        if not length:
            head = json.dumps({"t_start": self._start, "env_id": self._env_id})
            text = f"#{head}\n{','.join(COLUMNS)}\n{text}"
            self.path.parent.mkdir(parents=True, exist_ok=True)
        content = text.encode()
        with self.path.open("r+b" if length else "wb") as stream:
            stream.seek(length)
            stream.write(content)
            stream.truncate()
        self._length = length + len(content)

    def _take_over(self) -> None:
        """Go on behind the last whole row. A file that is something else is kept under another name."""
        if not self.path.is_file():
            return
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        try:
            head, columns, *rows = whole.decode().splitlines()
            start = float(json.loads(head.removeprefix("#"))["t_start"])
            if not math.isfinite(start):
                raise ValueError(f"expected a number of seconds, got {start}")
            if columns != ",".join(COLUMNS):
                raise ValueError(f"expected the columns {','.join(COLUMNS)}")
            seconds = float(rows[-1].split(",")[COLUMNS.index("t")]) if rows else 0.0
            if not math.isfinite(seconds):
                raise ValueError(f"expected a number of seconds, got {seconds}")
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
            self.note = f"{self.path} is no monitor file: {set_aside(self.path)}"
            return
        self._start, self._length, self._seconds = start, len(whole), max(0.0, seconds)
