"""Actions of an exported model, computed with operators of ONNX opset 9."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

UNIFORM_RANGE = (1e-30, 1.0 - 2.0**-24)
"""Uniform noise u is clamped to this range, so that log(-log u) is finite in float32."""


@dataclass(frozen=True)
class ExportedActions:
    """The actions that an exported model outputs; None where the behavior has no such actions.

    Attributes:
        continuous: sampled and most likely actions, (n, size) each, in [-1, 1].
        discrete: sampled and most likely actions, (n, branches) int64 each.
        memory: (n, memory_size) what the agents remember from now on; None for a network without memory.
    """

    continuous: tuple[Tensor, Tensor] | None
    discrete: tuple[Tensor, Tensor] | None
    memory: Tensor | None = None


def sampled(log_probs: Tensor) -> Tensor:
    """Sample one action per row with the Gumbel-max trick.

    The noise lies between -5 and 17, and the log-probability of a forbidden action is about -1e8. So a forbidden action
    is never sampled. Source: Maddison et al. 2014, "A* Sampling".

    Args:
        log_probs: (n, choices).

    Returns:
        (n, 1) int64.
    """
    uniform = torch.rand_like(log_probs).clamp(*UNIFORM_RANGE)
    gumbel = -(-uniform.log()).log()
    return (log_probs + gumbel).argmax(1, keepdim=True)


def discrete_actions(log_probs: Sequence[Tensor]) -> tuple[Tensor, Tensor] | None:
    """Return sampled and most likely actions, (n, branches) int64 each; None without branches.

    Args:
        log_probs: one (n, choices) tensor per branch.
    """
    if not log_probs:
        return None
    best = [branch.argmax(1, keepdim=True) for branch in log_probs]
    return torch.cat([sampled(branch) for branch in log_probs], dim=1), torch.cat(best, dim=1)
