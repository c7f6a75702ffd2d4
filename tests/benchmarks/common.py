"""What the benchmarks share: measurements in separate processes, and the table of results.

A side is a program in `sides/` that measures this project or a peer.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SIDES = Path(__file__).parent / "sides"


class SkippedError(Exception):
    """A benchmark cannot run on this machine. The message says why and what to do."""


@dataclass(frozen=True)
class Options:
    """How to measure.

    Attributes:
        peers: the Python that has the peers (Stable-Baselines3, envpool).
        mlagents_learn: path of `mlagents-learn`, or None.
        repeats: number of measurements of each side; the best one counts.
        quick: whether to do only a tenth of the work, to check that the benchmarks run.
    """

    peers: Path
    mlagents_learn: Path | None
    repeats: int
    quick: bool

    def work(self, amount: int) -> int:
        """Return the amount of work, or a tenth of it in a quick run."""
        return max(1, amount // 10) if self.quick else amount


@dataclass(frozen=True)
class Row:
    """One row of a benchmark's table.

    Attributes:
        path: what was measured.
        ours: this project's figure.
        unit: unit of both figures.
        peer: the peer's figure, if there is one.
        peer_name: name of the peer.
        ratio: the figure that is judged, if it is not `ours`; higher is better, unless `lower_is_better`.
        at_least: the target, if there is one.
        aim: the target under good conditions.
        lower_is_better: whether a lower figure is better.
        note: printed after `path`.
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
        """Whether the target was met; empty without a target."""
        measure = self.ours if self.ratio is None else self.ratio
        if self.at_least is None:
            return ""
        met = measure <= self.at_least if self.lower_is_better else measure >= self.at_least
        return "yes" if met else "no"


def side(python: Path | str, script: str, *arguments: object, timeout: float = 3600) -> Any:
    """Run `sides/<script>.py` and return the last line of its output, parsed as JSON.

    Args:
        python: the interpreter.
        script: name of the side.
        arguments: arguments of the side.
        timeout: in seconds.

    Raises:
        SkippedError: the side failed; the message ends with its error output.
    """
    command = [str(python), str(SIDES / f"{script}.py"), *map(str, arguments)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    if result.returncode:
        raise SkippedError(f"{script} {' '.join(map(str, arguments))}: {result.stderr.strip()[-600:]}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def ours(script: str, *arguments: object, timeout: float = 3600) -> Any:
    """Run `side` with the Python that runs the benchmark."""
    return side(sys.executable, script, *arguments, timeout=timeout)


def trained(file: str, env: str, overrides: Sequence[str], *, timeout: float = 3600, **wanted: object) -> Any:
    """Train with this project in a folder of its own, and return what `sides/train_ours.py` says of it.

    Args:
        file: the training file.
        env: the environment.
        overrides: `KEY=VALUE` for other keys of the file.
        timeout: in seconds.
        wanted: what else the side is told to measure.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = [*overrides, f"checkpoint_settings.results_dir={folder}"]
        return ours("train_ours", file, env, json.dumps({"set": settings, **wanted}), timeout=timeout)


def best(repeats: int, *measures: Callable[[], float]) -> list[float]:
    """Return the best result of each measure. Every round runs all measures once.

    Other processes on the machine only make a measurement slower, so the best one is the most accurate.
    """
    rounds = [[measure() for measure in measures] for _ in range(repeats)]
    return [max(column) for column in zip(*rounds, strict=True)]


HEADER = "| path | ours | peer | ratio | at least | aim | met |\n|---|---|---|---|---|---|---|"
"""The head of a table in Markdown."""


def line(row: Row) -> str:
    """Return a row as a line of a table in Markdown."""
    cells = [
        row.path + (f" ({row.note})" if row.note else ""),
        f"{figure(row.ours)} {row.unit}",
        "" if row.peer is None else f"{figure(row.peer)} ({row.peer_name})",
        *("" if value is None else f"{value:.2f}" for value in (row.ratio, row.at_least, row.aim)),
        row.verdict,
    ]
    return f"| {' | '.join(cells)} |"


def figure(value: float) -> str:
    """Format a number with three significant digits; from 100 on, as a whole number."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
