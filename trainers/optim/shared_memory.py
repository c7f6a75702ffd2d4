"""Sums and gathers of the ranks of one machine, through memory that they share.

A message of `torch.distributed` wakes threads of every rank, which takes longer than a small gradient step. Here each
rank writes its numbers into a row of its own, counts its turn up, and reads the rows of the others once they have too.
"""

import platform
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

ROW_BYTES = 1 << 18
"""Bytes that a rank writes at a turn. What is longer takes several turns."""
LINE = 8
"""Counters lie this many apart, so that no two share a line of the processor's cache."""
SPINS = 100
"""How often a rank looks for another one before it sleeps in between (0.2 to 0.3 ms)."""
LONGEST_PAUSE = 0.001
LOOKING_AFTER_SECONDS = 0.5
"""Time after which a rank that waits begins to ask whether the others are still there."""


def is_possible() -> bool:
    """Whether this processor shows the writes of a rank to the others in the order in which they were made."""
    return platform.machine().lower() in ("x86_64", "amd64")


class SharedMemory:
    """One row of bytes for each of the ranks, in a file that all of them map.

    Args:
        path: the file, of `bytes_needed` zeros at first.
        rank: number of this rank.
        size: number of ranks.
        check: raises if another rank is gone or `seconds`, its argument, are too long to wait.

    Raises:
        OSError: the file cannot be mapped.
    """

    def __init__(self, path: Path, rank: int, size: int, check: Callable[[float], None]) -> None:
        content = np.memmap(path, np.uint8, "r+", shape=(bytes_needed(size),))
        counters = size * LINE * 8
        self._turns = content[:counters].view(np.int64)[::LINE]
        # A rank that is one turn ahead writes into the other half. It is never two turns ahead.
        self._halves = content[counters:].reshape(2, size, ROW_BYTES)
        self._rank, self._check, self._turn = rank, check, 0

    def sum(self, numbers: np.ndarray) -> None:
        """Replace numbers, of any shape and contiguous, by their sums over the ranks: the same bits on all of them."""
        flat = numbers.reshape(-1)
        for part in _parts(len(flat), numbers.itemsize):
            first, *others = self._exchange(flat[part])
            flat[part] = first
            for row in others:
                flat[part] += row

    def gather(self, numbers: np.ndarray, found: np.ndarray) -> None:
        """Fill `found`, (ranks, n), with the numbers of all ranks, from those of this one, (n,) of the same type."""
        for part in _parts(len(numbers), numbers.itemsize):
            found[:, part] = self._exchange(numbers[part])

    def _exchange(self, numbers: np.ndarray) -> np.ndarray:
        """Return the numbers of all ranks, (ranks, n), where they stay until the turn after the next."""
        self._turn += 1
        rows = self._halves[self._turn % 2, :, : numbers.nbytes].view(numbers.dtype)
        rows[self._rank] = numbers
        self._turns[self._rank] = self._turn
        self._wait()
        return rows

    def _wait(self) -> None:
        """Wait until every rank has reached this turn."""
        looks, begun, asked = 0, 0.0, LOOKING_AFTER_SECONDS
        while self._turns.min() < self._turn:
            looks += 1
            if looks < SPINS:
                continue
            begun = begun or time.monotonic()
            waited = time.monotonic() - begun
            if waited > asked:
                self._check(waited)
                asked = waited + LOOKING_AFTER_SECONDS
            time.sleep(min(LONGEST_PAUSE, waited / 8))


def bytes_needed(size: int) -> int:
    """Return the bytes of the file for a number of ranks."""
    return size * (LINE * 8 + 2 * ROW_BYTES)


def new_name() -> str:
    """Return a name that no other file has, for `place`."""
    return secrets.token_hex(16)


def place(name: str) -> Path:
    """Return the file of a name that another rank made: in memory where the system has such a folder.

    Raises:
        ValueError: it is none of `new_name`.
    """
    if not re.fullmatch("[0-9a-f]{32}", name):
        raise ValueError(f"{name!r} is no name of shared memory")
    in_memory = Path("/dev/shm")
    folder = in_memory if in_memory.is_dir() else Path(tempfile.gettempdir())
    return folder / f"bridge-ranks-{name}"


def fill(path: Path, size: int) -> None:
    """Write the file for a number of ranks, readable for this user alone.

    Raises:
        OSError: it exists, or there is no room. A file that is only made longer would fail later, at the first write.
    """
    with path.open("xb") as file:
        path.chmod(0o600)
        file.write(bytes(bytes_needed(size)))


def remove(path: Path) -> None:
    """Remove the file, which lives on in the ranks that map it. Windows keeps it until the machine cleans up."""
    with suppress(OSError):
        path.unlink()


def _parts(length: int, itemsize: int) -> Iterator[slice]:
    step = ROW_BYTES // itemsize
    return (slice(start, min(start + step, length)) for start in range(0, length, step))
