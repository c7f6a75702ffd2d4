"""Numbers as probabilities of bins, by which a network learns a value as it learns a class."""

import math

import torch
from torch import Tensor

SMOOTHING = 0.75
"""Deviation of the normal distribution that `spread` cuts into bins, in widths of a bin; the source's choice."""


def centres(count: int, limit: float) -> Tensor:
    """Return the centres of bins of equal width that together cover [-limit, limit], (count,)."""
    edges = torch.linspace(-limit, limit, count + 1)
    return (edges[1:] + edges[:-1]) / 2.0


def spread(targets: Tensor, count: int, limit: float) -> Tensor:
    """Return the probabilities of bins that stand for numbers, (..., count).

    They are those of a normal distribution around the number, cut off at both ends of the range. Their mean is the
    number, up to what the cut changes near the ends.
    Source: Farebrother et al. 2024, "Stop Regressing: Training Value Functions via Classification for Scalable Deep
    RL", the histogram loss with a Gaussian (HL-Gauss).

    Args:
        targets: (...,) numbers; those outside of [-limit, limit] count as its ends.
        count: number of bins.
        limit: the end of the range.
    """
    edges = torch.linspace(-limit, limit, count + 1, device=targets.device)
    deviation = SMOOTHING * 2.0 * limit / count
    distances = (edges - targets.clamp(-limit, limit)[..., None]) / (math.sqrt(2.0) * deviation)
    below = torch.erf(distances)
    return (below[..., 1:] - below[..., :-1]) / (below[..., -1:] - below[..., :1])
