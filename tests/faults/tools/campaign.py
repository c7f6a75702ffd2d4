"""Tries faults in processes of their own, several at the same time."""

import multiprocessing
import os
import queue
import shutil
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from tests.faults.fault import Fault, faults, kinds

PATIENCE = 900.0
"""Seconds after which a fault that has not been tried has fallen."""

LAST_LINES = 12
_CONTEXT = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Attempt:
    """What came of a fault: whether everything stood, the seconds it took, and the last lines if not."""

    fault: str
    survived: bool
    seconds: float
    last_lines: list[str]


def attempts(kind: str, names: Sequence[str], whole: bool, jobs: int, folder: Path) -> list[Attempt]:
    """Try the faults of a kind.

    Args:
        kind: the kind's module.
        names: the faults.
        whole: whether the names are of all faults of the kind, or of the few.
        jobs: how many processes try them.
        folder: each fault gets an empty folder in it, which is deleted if everything stood.

    Returns:
        What came of each, in the order of the names.
    """
    waiting: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
    for item in enumerate(names):
        waiting.put(item)
    found: dict[int, Attempt] = {}

    def work() -> None:
        worker = _Worker(kind, whole)
        while True:
            try:
                number, name = waiting.get_nowait()
            except queue.Empty:
                break
            found[number] = worker.attempt(name, folder / str(number))
            if not worker.alive:
                worker = _Worker(kind, whole)
        worker.end()

    threads = [threading.Thread(target=work) for _ in range(min(jobs, len(names)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[number] for number in range(len(names))]


class _Worker:
    """A process that tries one fault after another, and may die of one."""

    def __init__(self, kind: str, whole: bool) -> None:
        self._ours, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(kind, whole, theirs))
        self._process.start()
        theirs.close()
        self.alive = True

    def attempt(self, name: str, folder: Path) -> Attempt:
        folder.mkdir(parents=True)
        start = time.monotonic()
        try:
            self._ours.send((name, folder))
            if self._ours.poll(PATIENCE):
                lines = self._ours.recv()
            else:
                lines = [f"it took longer than {PATIENCE:.0f} s"]
                self.end()
        except (EOFError, OSError):
            self.end()
            lines = [f"the process that tried it ended with status {self._process.exitcode}"]
        if not lines:
            shutil.rmtree(folder, ignore_errors=True)
        return Attempt(name, not lines, round(time.monotonic() - start, 3), lines)

    def end(self) -> None:
        self.alive = False
        self._ours.close()
        self._process.join(10)
        self._process.kill()
        self._process.join()


def _serve(kind: str, whole: bool, channel: Connection) -> None:
    """Try the faults that are named, in silence, until there are no more; answer with the last lines of what fell."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    known = {fault.name: fault for fault in faults(kinds()[kind], whole)}
    while True:
        try:
            name, folder = channel.recv()
        except EOFError:
            return
        channel.send(_tried(known[name], folder))


def _tried(fault: Fault, folder: Path) -> list[str]:
    try:
        fault.attempt(folder)
    except BaseException:
        return traceback.format_exc().strip().splitlines()[-LAST_LINES:]
    return []
