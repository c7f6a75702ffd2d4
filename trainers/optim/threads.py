"""How many threads one network call is worth."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

WORTH_SHARING = 20_000_000
"""Rows × parameters of a pass from which a second thread gains more than waking it costs: half a millisecond."""


def is_short(rows: int, parameters: int) -> bool:
    """Whether a pass through a network takes too little time to be shared among threads."""
    return rows * parameters < WORTH_SHARING


@contextmanager
def threads_for(rows: int, parameters: int) -> Iterator[None]:
    """Run a pass through a network on one torch thread if it is too short to share."""
    threads = torch.get_num_threads()
    if threads == 1 or not is_short(rows, parameters):
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
