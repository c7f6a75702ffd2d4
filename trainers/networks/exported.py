"""Actions inside an exported model, by operators that ONNX opset 9 has."""

from dataclasses import dataclass

import torch
from torch import Tensor

UNIFORM_RANGE = (1e-30, 1.0 - 2.0**-24)
"""Uniform noise is clamped to this range, so that its logarithm and the logarithm of that are finite in float32."""


@dataclass(frozen=True)
class ExportedActions:
    """What an exported model says, as the environment takes it; None where the behavior has no such actions.

    Attributes:
        continuous: sampled and likeliest actions, (n, size) each, in [-1, 1].
        discrete: sampled and likeliest actions, (n, branches) int64 each.
    """

    continuous: tuple[Tensor, Tensor] | None
    discrete: tuple[Tensor, Tensor] | None


def sampled(log_probs: Tensor) -> Tensor:
    """Sample one action per row with the Gumbel-max trick.

    Log-probabilities of forbidden actions lie about 1e8 below the others and the noise is between -5 and 17, so the
    result is always an allowed action. Source: Maddison et al. 2014, "A* Sampling".

    Args:
        log_probs: (n, choices).

    Returns:
        (n, 1) int64.
    """
    uniform = torch.rand_like(log_probs).clamp(*UNIFORM_RANGE)
    gumbel = -(-uniform.log()).log()
    return (log_probs + gumbel).argmax(1, keepdim=True)
