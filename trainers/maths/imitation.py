"""Losses of imitation: of behavioral cloning, and of GAIL's discriminator."""

from collections.abc import Sequence

import torch
from torch import Tensor


def cloning_loss(action: Tensor, shown: Tensor, log_probs: Sequence[Tensor], picks: Tensor) -> Tensor:
    """Return how far a policy is from what was demonstrated, a scalar.

    It is the squared error of continuous actions, a mean over rows and dimensions, plus the cross-entropy of discrete
    ones in nats, a mean over rows and branches. Source: Pomerleau 1991, "Efficient Training of Artificial Neural
    Networks for Autonomous Navigation".

    Args:
        action: (n, size) the policy's likeliest continuous actions, in the units that the environment takes.
        shown: (n, size) the demonstrated ones.
        log_probs: one (n, choices) tensor of log-probabilities per branch.
        picks: (n, branches) the demonstrated choices.
    """
    total = action.new_zeros(())
    if action.shape[1]:
        total = total + (action - shown).square().mean()
    if log_probs:
        taken = [branch.gather(1, picks[:, index : index + 1]) for index, branch in enumerate(log_probs)]
        total = total - torch.cat(taken, dim=1).mean()
    return total
