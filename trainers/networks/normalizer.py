"""Running mean and variance of vectors, and the normalisation of observations."""

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from gym_adapters.floats import LARGEST_EXACT

CLIP = 5.0
"""Normalised values are clipped to [-5, 5], as in ML-Agents."""


class Gathering(Protocol):
    """What moments need of a `Collective`."""

    @property
    def size(self) -> int:
        """Number of processes."""

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        """Return the numbers of all processes, (processes, n), from those of this one, (n,)."""


Moments = tuple[np.ndarray, np.ndarray, float]
"""Mean and variance, (size,) each, and the number of vectors."""


class RunningMoments:
    """Mean and variance of a stream of vectors, in float64.

    The initial mean is 0, the initial variance 1 and the initial count 1, as in ML-Agents. Batches are merged exactly.
    Source: Chan, Golub and LeVeque 1979, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances".

    Args:
        size: length of the vectors.
        collective: the processes whose vectors count. With more than one, `update` only collects, and `share` merges
            what all of them have collected.

    Attributes:
        mean: (size,).
        variance: (size,).
        count: number of vectors so far, plus 1.
    """

    def __init__(self, size: int, collective: Gathering | None = None) -> None:
        self.mean = np.zeros(size)
        self.variance = np.ones(size)
        self.count = 1.0
        self._collective = collective if collective is not None and collective.size > 1 else None
        self._news: Moments = np.zeros(size), np.zeros(size), 0.0

    def update(self, values: np.ndarray) -> None:
        """Merge a batch of vectors, (n, size)."""
        if not len(values):
            return
        count = float(len(values))
        mean = np.add.reduce(values, 0, np.float64) / count
        distance = values - mean
        variance = np.add.reduce(distance * distance, 0, np.float64) / count
        if self._collective is None:
            self.merge(count, mean, variance)
        else:
            self._news = _merged(self._news, (mean, variance, count))

    def share(self) -> None:
        """Merge what every process has collected since the last call. A single process has nothing to share."""
        if self._collective is None:
            return
        news, size = np.concatenate([*self._news[:2], self._news[2:]]), len(self.mean)
        pooled: Moments = np.zeros(size), np.zeros(size), 0.0
        self._news = pooled
        for row in self._collective.gather(news):
            pooled = _merged(pooled, (row[:size], row[size:-1], float(row[-1])))
        if pooled[2]:
            self.merge(pooled[2], *pooled[:2])

    def merge(self, count: float, mean: np.ndarray, variance: np.ndarray) -> None:
        """Merge `count` vectors of this mean and variance, (size,) each."""
        own = self.mean, self.variance, self.count
        self.mean, self.variance, self.count = _merged(own, (mean, variance, count))

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors and numbers."""
        return {
            "mean": torch.from_numpy(self.mean.copy()),
            "variance": torch.from_numpy(self.variance.copy()),
            "count": self.count,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: a variance is negative, or the count is below 1.
        """
        if state["count"] < 1 or (state["variance"] < 0).any():
            raise ValueError("moments of a negative variance, or of no value")
        self.mean = state["mean"].numpy().copy()
        self.variance = state["variance"].numpy().copy()
        self.count = float(state["count"])


class ObservationMoments(RunningMoments):
    """Moments of observations. An element whose first values lie beyond `LARGEST_EXACT` starts at their mean.

    The initial value of 0 would lie so far from them that their own variance would not show.
    """

    def merge(self, count: float, mean: np.ndarray, variance: np.ndarray) -> None:
        """See `RunningMoments.merge`."""
        if self.count == 1.0:
            self.mean = np.where(np.abs(mean) > LARGEST_EXACT, mean, self.mean)
        super().merge(count, mean, variance)


class VectorNormalizer(nn.Module):
    """Normalises vectors: (x - mean) / std, clipped to [-5, 5] (ML-Agents key `normalize`).

    Float64 vectors are normalised in float64. Mean and std are float32 all the same: beyond `LARGEST_EXACT`, std is
    the deviation from the rounded mean.

    The moments change only between updates, so that a policy is the same function while it acts and while it learns.

    Args:
        size: length of the vectors.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def assign(self, moments: RunningMoments) -> None:
        """Normalise by these moments from now on."""
        self.mean.copy_(torch.from_numpy(moments.mean))
        rounded = np.where(
            np.abs(moments.mean) > LARGEST_EXACT, moments.mean - moments.mean.astype(np.float32), 0.0
        )
        self.std.copy_(torch.from_numpy(np.sqrt(moments.variance + 1e-8 + rounded**2)))

    def forward(self, values: Tensor) -> Tensor:
        """Return normalised float32 vectors of the same shape, (n, size)."""
        return ((values - self.mean) / self.std).clamp(-CLIP, CLIP).float()


def _merged(one: Moments, other: Moments) -> Moments:
    """Return the moments of all vectors of two sets."""
    mean, variance, count = one
    other_mean, other_variance, other_count = other
    total = count + other_count
    if not total:
        return one
    delta = other_mean - mean
    squares = variance * count + other_variance * other_count + delta**2 * count * other_count / total
    return mean + delta * other_count / total, squares / total, total
