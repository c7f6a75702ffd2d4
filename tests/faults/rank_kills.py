"""Ranks under torchrun, one of which is killed at a random moment, and which torchrun then restarts."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from tests.faults.fault import Fault
from tests.faults.tools import trainings

RANKS = 2
KILLS = 20
STEPS, INTERVAL = 20_000, 1000
EVERY_FIFTH = 5
"""One kill of so many comes while the ranks start; the others after the first checkpoint."""
PATIENCE = 600.0


def faults(whole: bool) -> Iterator[Fault]:
    """One kill takes as long as starting torchrun twice, so `make test` tries none: it has tests of its own."""
    for number in range(KILLS) if whole else ():
        yield Fault(f"ppo-{number}", partial(killed, number))


def killed(number: int, folder: Path) -> None:
    """Kill a random rank. The run must reach its last step by itself, with a whole checkpoint."""
    random = np.random.default_rng(number)
    words = trainings.new(folder, "ppo", STEPS, interval=INTERVAL, summary_freq=INTERVAL)
    starter = ["-m", "torch.distributed.run", "--nproc-per-node", str(RANKS), "--max-restarts", "3"]
    command = [sys.executable, *starter, "-m", "trainers.ppo", *words]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=trainings.surroundings(), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        ranks = _ranks(process)
        if number % EVERY_FIFTH:
            _until(process, lambda: trainings.newest(folder).is_file())
        time.sleep(random.uniform(0.0, 3.0))
        assert process.poll() is None, "it ended before the kill; the run must be longer"
        ranks[random.integers(RANKS)].kill()
        status = process.wait(PATIENCE)
    finally:
        process.kill()
    assert status == 0, (folder / "output").read_text(errors="replace")[-3000:]
    step = trainings.newest_step(folder)
    assert step is not None
    assert STEPS <= step < STEPS + 100, step
    trainings.require_whole(folder)


def _ranks(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Wait for the processes of the ranks."""
    found: list[psutil.Process] = []

    def all_there() -> bool:
        found[:] = psutil.Process(process.pid).children()
        return len(found) == RANKS

    _until(process, all_there)
    return found


def _until(process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None, "it ended before the kill"
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.01)
