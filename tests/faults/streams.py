"""Standard streams that are closed, or whose reader has gone."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.faults.fault import Fault
from tests.faults.tools import trainings

STEPS = 400


def faults(whole: bool) -> Iterator[Fault]:
    """Streams that are closed before the start, and pipes whose reader leaves at once or after some lines."""
    if sys.platform != "win32":
        for closed in ((0,), (1,), (2,), (0, 1, 2)) if whole else ((0, 1, 2),):
            name = "-".join(("stdin", "stdout", "stderr")[number] for number in closed)
            yield Fault(f"closed-{name}", partial(without, closed))
    for stream in (1, 2) if whole else (1,):
        for lines in (0, 1, 3) if whole else (1,):
            if lines == 0 or stream == 1:
                yield Fault(f"reader-of-{stream}-leaves-after-{lines}", partial(reader_leaves, stream, lines))
    if whole and Path("/dev/full").exists():
        yield Fault("full-stdout", full)


def without(closed: tuple[int, ...], folder: Path) -> None:
    """The streams are closed when Python starts; the run ends as if they were there."""
    _run(folder, lambda: [os.close(number) for number in closed])


def reader_leaves(stream: int, lines: int, folder: Path) -> None:
    """As with `| head`, and with a `tee` that was killed."""
    streams = {"stdout" if stream == 1 else "stderr": subprocess.PIPE}
    process = subprocess.Popen(_command(folder), cwd=folder, env=trainings.surroundings(), **streams)
    pipe = process.stdout or process.stderr
    assert pipe is not None
    for _ in range(lines):
        assert pipe.readline()
    pipe.close()
    _require_finished(folder, process.wait(trainings.PATIENCE))


def full(folder: Path) -> None:
    """Standard output is a file on a full disk."""
    with Path("/dev/full").open("wb") as stream:
        process = subprocess.Popen(_command(folder), cwd=folder, env=trainings.surroundings(), stdout=stream)
        _require_finished(folder, process.wait(trainings.PATIENCE))


def _run(folder: Path, before: Callable[[], object]) -> None:
    process = subprocess.Popen(_command(folder), cwd=folder, env=trainings.surroundings(), preexec_fn=before)
    _require_finished(folder, process.wait(trainings.PATIENCE))


def _command(folder: Path) -> list[str]:
    arguments = trainings.new(folder, "ppo", STEPS, interval=100)
    return [sys.executable, "-m", "trainers.ppo", *arguments]


def _require_finished(folder: Path, status: int) -> None:
    assert status == 0, status
    assert trainings.newest_step(folder) == STEPS
    trainings.require_whole(folder)
    for path in (folder / "runs").rglob("*"):  # what was meant for a stream went into no file
        assert b"[INFO]" not in (path.read_bytes() if path.is_file() else b""), path
