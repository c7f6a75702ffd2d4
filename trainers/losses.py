"""Loss terms as pure functions of tensors of shape (n,) or (n, streams)."""

import torch
from torch import Tensor


def clipped_policy_loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, epsilon: float) -> Tensor:
    """PPO's clipped surrogate, to be minimised.

    Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", equation 7. All arguments (n,).
    """
    ratio = (log_prob - old_log_prob).exp()
    clipped = ratio.clamp(1.0 - epsilon, 1.0 + epsilon)
    return -torch.minimum(ratio * advantage, clipped * advantage).mean()


def policy_gradient_loss(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """The advantage actor-critic loss, to be minimised. Source: Mnih et al. 2016, section 4. Arguments (n,)."""
    return -(log_prob * advantage).mean()


def value_loss(value: Tensor, returns: Tensor) -> Tensor:
    """Mean squared error, no factor 1/2, averaged over reward streams. Arguments (n, streams)."""
    return (value - returns).square().mean()


def clipped_value_loss(value: Tensor, old_value: Tensor, returns: Tensor, epsilon: float) -> Tensor:
    """Squared error of the value or of the value clipped around the old one, whichever is larger.

    ML-Agents' PPO clips with the same (decayed) `epsilon` as the policy. Arguments (n, streams).
    """
    clipped = old_value + (value - old_value).clamp(-epsilon, epsilon)
    return torch.maximum((value - returns).square(), (clipped - returns).square()).mean()


def approximate_kl(log_prob: Tensor, old_log_prob: Tensor) -> Tensor:
    """Low-variance estimate of KL(old || new), nats. Source: Schulman 2020, "Approximating KL Divergence" (k3)."""
    log_ratio = log_prob - old_log_prob
    return (log_ratio.exp() - 1.0 - log_ratio).mean()
