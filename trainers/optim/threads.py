"""How many threads compute: of the whole run, and of one pass through a network."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import torch
from threadpoolctl import threadpool_limits

WORTH_SHARING = 20_000_000
"""Rows × parameters of a pass from which a second thread gains more than waking it costs: half a millisecond."""


class Threads:
    """The threads of a run while this is entered: one of numpy's BLAS, and of torch what its networks need.

    Attributes:
        most: torch's threads before the run.
    """

    def __init__(self) -> None:
        self.most = torch.get_num_threads()
        self._count = 1

    def __enter__(self) -> Self:
        self._blas = threadpool_limits(1, user_api="blas")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        torch.set_num_threads(self.most)
        self._blas.restore_original_limits()

    def at_least(self, count: int) -> None:
        """Compute with this many threads of torch, or with more if another network needs them."""
        self._count = max(self._count, count)
        torch.set_num_threads(self._count)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Compute with one thread of torch for the moment."""
        with torch_threads(1):
            yield


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute with this many threads of torch for the moment."""
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
    """Whether a pass through a network takes too little time to be shared among threads."""
    return rows * parameters < WORTH_SHARING


@contextmanager
def threads_for(rows: int, parameters: int) -> Iterator[None]:
    """Run a pass through a network on one torch thread if it is too short to share."""
    with torch_threads(1 if is_short(rows, parameters) else torch.get_num_threads()):
        yield
