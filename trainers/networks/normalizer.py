"""Running mean and variance of observations and returns."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

CLIP = 5.0


class RunningMoments:
    """Mean and variance of a stream of vectors, in float64.

    Batches are merged exactly. Source: Chan, Golub and LeVeque 1979, "Updating Formulae and a Pairwise Algorithm
    for Computing Sample Variances". Starts as ML-Agents does: mean 0, variance 1, weight 1.
    """

    def __init__(self, size: int) -> None:
        self.mean = np.zeros(size)
        self.variance = np.ones(size)
        self.count = 1.0

    def update(self, values: np.ndarray) -> None:
        """Take in `values`, shape (n, size)."""
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
        """Everything needed to go on, as tensors and numbers."""
        return {
            "mean": torch.from_numpy(self.mean.copy()),
            "variance": torch.from_numpy(self.variance.copy()),
            "count": self.count,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.mean = state["mean"].numpy().copy()
        self.variance = state["variance"].numpy().copy()
        self.count = float(state["count"])


class VectorNormalizer(nn.Module):
    """(x - mean) / std, clipped to [-5, 5] (ML-Agents key `normalize`), as the network sees it.

    The moments are copied in between updates only, so that a policy is the same function from acting to learning.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def assign(self, moments: RunningMoments) -> None:
        """Use these moments from now on."""
        self.mean.copy_(torch.from_numpy(moments.mean))
        self.std.copy_(torch.from_numpy(np.sqrt(moments.variance + 1e-8)))

    def forward(self, values: Tensor) -> Tensor:
        """Normalise `values`, shape (n, size)."""
        return ((values - self.mean) / self.std).clamp(-CLIP, CLIP)
