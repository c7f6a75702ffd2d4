"""Running mean and variance of vectors, and the normalisation of observations."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gym_adapters.floats import LARGEST_EXACT

CLIP = 5.0
"""Normalised values are clipped to [-5, 5], as in ML-Agents."""


class RunningMoments:
    """Mean and variance of a stream of vectors, in float64.

    The initial mean is 0, the initial variance 1 and the initial count 1, as in ML-Agents. Batches are merged exactly.
    Source: Chan, Golub and LeVeque 1979, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances".

    Args:
        size: length of the vectors.

    Attributes:
        mean: (size,).
        variance: (size,).
        count: number of vectors so far, plus 1.
    """

    def __init__(self, size: int) -> None:
        self.mean = np.zeros(size)
        self.variance = np.ones(size)
        self.count = 1.0

    def update(self, values: np.ndarray) -> None:
        """Merge a batch of vectors, (n, size)."""
        if not len(values):
            return
        count, mean, variance = len(values), values.mean(0, np.float64), values.var(0, np.float64)
        total = self.count + count
        delta = mean - self.mean
        squares = self.variance * self.count + variance * count + delta**2 * self.count * count / total
        self.mean = self.mean + delta * count / total
        self.variance = squares / total
        self.count = total

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

    def update(self, values: np.ndarray) -> None:
        """See `RunningMoments.update`."""
        if self.count == 1.0 and len(values):
            first = values.mean(0, np.float64)
            self.mean = np.where(np.abs(first) > LARGEST_EXACT, first, self.mean)
        super().update(values)


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
