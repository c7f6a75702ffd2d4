"""CPU threads of a run, and of one pass through a network."""

import ctypes
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import torch
from threadpoolctl import threadpool_limits

WORTH_SHARING = 20_000_000
"""Rows × parameters from which a second thread saves more than the half millisecond that waking it costs."""


class Threads:
    """A context that sets the threads of a run: one for numpy's BLAS, and for torch as many as the networks need.

    One more runs the updates of behaviors with the ML-Agents key `threaded`. When the context ends, they are completed;
    when a `KeyboardInterrupt` leaves it, they are interrupted.

    Attributes:
        most: torch's threads before the run, which is the most that a network may use.
    """

    def __init__(self) -> None:
        self.most = torch.get_num_threads()
        self._count = 1
        self._worker: ThreadPoolExecutor | None = None
        self._updating: int | None = None

    def __enter__(self) -> Self:
        self._blas = threadpool_limits(1, user_api="blas")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._worker is not None:
            interrupted = isinstance(error, KeyboardInterrupt)
            if interrupted and self._updating is not None:
                _interrupt(self._updating)
            self._worker.shutdown(cancel_futures=interrupted)
        torch.set_num_threads(self.most)
        self._blas.restore_original_limits()

    def at_least(self, count: int) -> None:
        """Set torch's threads to `count`, or keep more if another network needs more."""
        self._count = max(self._count, count)
        torch.set_num_threads(self._count)

    def submit(self, update: Callable[[], None]) -> "Future[None]":
        """Let the thread of updates run an update, after those before it, with as many torch threads as the run has."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "updates")
        return self._worker.submit(self._update, self._count, update)

    def _update(self, count: int, update: Callable[[], None]) -> None:
        torch.set_num_threads(count)  # each thread has a count of its own
        self._updating = threading.get_ident()
        try:
            update()
        finally:
            self._updating = None


def _interrupt(thread: int) -> None:
    """Raise `KeyboardInterrupt` in a thread of Python, before its next instruction."""
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raise_in(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Use this many torch threads in this context."""
    before = torch.get_num_threads()
    if before == count:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def is_short(rows: int, parameters: int) -> bool:
    """Whether a pass through a network is too short to be shared among threads."""
    return rows * parameters < WORTH_SHARING


@contextmanager
def threads_for(rows: int, parameters: int) -> Iterator[None]:
    """Use one torch thread in this context if the pass through a network is short (see `is_short`)."""
    with torch_threads(1 if is_short(rows, parameters) else torch.get_num_threads()):
        yield
