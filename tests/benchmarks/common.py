"""What the benchmarks share: sides that run as processes of their own, and the table of ratios."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SIDES = Path(__file__).parent / "sides"


class SkippedError(Exception):
    """A benchmark cannot run here; the message says why and what to do."""


@dataclass(frozen=True)
class Options:
    """How to measure.

    Attributes:
        peers: Python that has the peers (Stable-Baselines3, envpool).
        mlagents_learn: path of `mlagents-learn`, or None.
        repeats: how often each side is measured; the best counts.
        quick: a tenth of the work, to see that the commands run.
    """

    peers: Path
    mlagents_learn: Path | None
    repeats: int
    quick: bool

    def work(self, amount: int) -> int:
        """The amount of work, or a tenth of it in a quick run."""
        return max(1, amount // 10) if self.quick else amount


@dataclass(frozen=True)
class Row:
    """One line of a benchmark's table.

    Attributes:
        path: what was measured.
        ours: our figure.
        peer: the other side's figure, if there is one.
        unit: of both.
        peer_name: who the other side is.
        ratio: the figure that counts; higher is better, unless `lower_is_better`.
        at_least: what it should reach, if anything.
        aim: what it should reach on a good day.
    """

    path: str
    ours: float
    unit: str
    peer: float | None = None
    peer_name: str = ""
    ratio: float | None = None
    at_least: float | None = None
    aim: float | None = None
    lower_is_better: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether the target was met."""
        measure = self.ours if self.ratio is None else self.ratio
        if self.at_least is None:
            return ""
        met = measure <= self.at_least if self.lower_is_better else measure >= self.at_least
        return "yes" if met else "no"


def side(python: Path | str, script: str, *arguments: object, timeout: float = 3600) -> Any:
    """Run `sides/<script>.py` and return what its last line says, as JSON.

    Raises:
        SkippedError: it failed; the end of what it said is in the message.
    """
    command = [str(python), str(SIDES / f"{script}.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    if result.returncode:
        raise SkippedError(f"{script} {' '.join(map(str, arguments))}: {result.stderr.strip()[-600:]}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def ours(script: str, *arguments: object, timeout: float = 3600) -> Any:
    """`side` with the Python that runs the benchmark."""
    return side(sys.executable, script, *arguments, timeout=timeout)


def best(repeats: int, *measures: Callable[[], float]) -> list[float]:
    """The best of each measure over so many rounds, each of which runs all of them.

    Whatever else a machine does only takes speed away, so the best round is nearest to what a side can do.
    """
    rounds = [[measure() for measure in measures] for _ in range(repeats)]
    return [max(column) for column in zip(*rounds, strict=True)]


HEADER = "| path | ours | peer | ratio | at least | aim | met |\n|---|---|---|---|---|---|---|"


def line(row: Row) -> str:
    """The row in Markdown, under `HEADER`."""
    cells = [
        row.path + (f" ({row.note})" if row.note else ""),
        f"{figure(row.ours)} {row.unit}",
        "" if row.peer is None else f"{figure(row.peer)} ({row.peer_name})",
        *("" if value is None else f"{value:.2f}" for value in (row.ratio, row.at_least, row.aim)),
        row.verdict,
    ]
    return f"| {' | '.join(cells)} |"


def figure(value: float) -> str:
    """A number with as many digits as it deserves."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
