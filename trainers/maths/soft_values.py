"""Values with an entropy bonus, of which SAC's target and both of its losses are made."""

from collections.abc import Sequence

import torch
from torch import Tensor

DISCRETE_TARGET = 0.2
"""The entropy that a branch is kept at, as a part of the largest entropy it can have; as in ML-Agents."""


def soft_value(values: Tensor, log_probs: Sequence[Tensor], bonus: Tensor) -> Tensor:
    """Return the value of observations under a policy, with its entropy, (n, streams).

    The values of several branches are averaged.
    Sources: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications", equation 3; for discrete actions,
    Christodoulou 2019, "Soft Actor-Critic for Discrete Action Settings", equation 10.

    Args:
        values: (n, streams, choices) values of sampled continuous actions, and of every choice of all branches; one
            choice without branches.
        log_probs: one (n, choices) tensor of log-probabilities per branch.
        bonus: (n,) entropies times their coefficients.
    """
    if not log_probs:
        return values[:, :, 0] + bonus[:, None]
    parts = values.split([branch.shape[1] for branch in log_probs], dim=2)
    expected = [(branch.exp()[:, None] * part).sum(2) for branch, part in zip(log_probs, parts, strict=True)]
    return torch.stack(expected).mean(0) + bonus[:, None]


def taken_value(values: Tensor, discrete: Tensor, branches: Sequence[int]) -> Tensor:
    """Return the values of the actions taken, averaged over branches, (critics, n, ...).

    Args:
        values: (critics, n, ..., choices) values of the continuous actions taken, and of every choice of all branches.
        discrete: (n, branches) int64 choices taken.
        branches: the branch sizes.
    """
    if not branches:
        return values[..., 0]
    parts = values.split(list(branches), dim=-1)
    chosen = discrete.T.reshape(len(branches), -1, *[1] * (values.dim() - 2))
    taken = [
        part.gather(-1, choice.expand(*part.shape[:-1], 1)).squeeze(-1)
        for part, choice in zip(parts, chosen, strict=True)
    ]
    return torch.stack(taken).mean(0)


def entropies(log_probs: Sequence[Tensor], density: Tensor | None) -> Tensor:
    """Return the entropy of each part of a policy in nats, (n, parts).

    The first part is that of all continuous actions together, estimated from a sample; the others are the branches.

    Args:
        log_probs: one (n, choices) tensor of log-probabilities per branch.
        density: (n,) logarithm of the density of the sample; None without continuous actions.
    """
    parts = [] if density is None else [-density]
    parts += [-(branch.exp() * branch).sum(1) for branch in log_probs]
    return torch.stack(parts, dim=1)


def entropy_targets(continuous_size: int, branches: Sequence[int]) -> Tensor:
    """Return the entropy that each part is kept at in nats, (parts,), as in ML-Agents.

    It is minus the number of continuous actions, and 0.2 of the largest possible entropy for each branch.
    Source: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications", section 5.
    """
    continuous = [torch.tensor(-float(continuous_size))] if continuous_size else []
    return torch.stack(continuous + [DISCRETE_TARGET * torch.tensor(float(size)).log() for size in branches])
