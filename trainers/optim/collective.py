"""The interface to processes that train one policy together, and its implementation for a single process.

A process is called a rank, as `torchrun` calls it. Whatever decides something must be the same on all ranks: each of
them takes part in the same calls, in the same order, or they wait for each other for ever.
"""

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gym_adapters.errors import UserError
from trainers.maths.seeds import rank_seed


class JointError(UserError):
    """An error that all ranks find at the same time. One of them tells the user."""


class Collective(Protocol):
    """The processes that train one policy together.

    Attributes:
        rank: number of this process, from 0. Rank 0 writes the run's files and speaks to the user.
        size: number of processes.
    """

    rank: int
    size: int

    def sum(self, values: Tensor) -> Tensor:
        """Return the elementwise sum over all ranks. `values` is changed in place."""

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        """Return the float64 numbers of all ranks, (ranks, n), from those of this one, (n,)."""

    def gather_values(self, value: Any) -> list[Any]:
        """Return the values of all ranks, by rank. A value consists of maps, lists, texts, numbers and None."""

    def broadcast(self, state: Any) -> Any:
        """Return the state that rank 0 gave: tensors, numbers and texts, and containers of them."""

    def arrive(self, meeting: int) -> None:
        """Tell the others that this rank has come to a meeting, by number, and waits for them."""

    def arrived(self, meeting: int) -> int:
        """Return how many ranks have come to a meeting, by number. It does not wait for them."""


class Alone:
    """A single process."""

    rank = 0
    size = 1

    def sum(self, values: Tensor) -> Tensor:
        """See `Collective.sum`."""
        return values

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        """See `Collective.gather`."""
        return numbers[None]

    def gather_values(self, value: Any) -> list[Any]:
        """See `Collective.gather_values`."""
        return [value]

    def broadcast(self, state: Any) -> Any:
        """See `Collective.broadcast`."""
        return state

    def arrive(self, meeting: int) -> None:
        """See `Collective.arrive`."""

    def arrived(self, meeting: int) -> int:
        """See `Collective.arrived`."""
        return 1


def set_apart(generator: torch.Generator, rank: int) -> None:
    """Let the random numbers of a rank differ from those of rank 0, whose state the generator has been given.

    They go on from a seed made of that state. Those of rank 0 go on as they are.
    """
    if rank:
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        generator.manual_seed(rank_seed(seed, rank))


def weighted_mean(collective: Collective, values: Tensor, weight: float) -> Tensor:
    """Return the mean over all ranks of values, any shape, each rank's with its weight. The weights sum to 1."""
    return values if collective.size == 1 else collective.sum(values * weight)


def standardised(values: Tensor, collective: Collective) -> Tensor:
    """Shift and scale values, (..., n), to mean 0 and deviation 1 along the last axis, over all ranks.

    The ranks may have different numbers n.
    """
    if collective.size == 1:
        mean, deviation = values.mean(-1, keepdim=True), values.std(-1, unbiased=False, keepdim=True)
    else:
        exact = values.double()
        count = collective.gather(np.array([float(values.shape[-1])])).sum()
        mean = collective.sum(exact.sum(-1, keepdim=True)) / count
        squares = collective.sum((exact - mean).square().sum(-1, keepdim=True))
        mean, deviation = mean.to(values.dtype), (squares / count).sqrt().to(values.dtype)
    return (values - mean) / (deviation + 1e-10)
