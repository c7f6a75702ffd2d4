"""Loss functions on tensors of shape (n,) or (n, streams). All losses are to be minimised.

A `*_gradient` function computes the same loss in numpy. It returns the loss and the gradient with respect to the first
argument.
"""

import math
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Numbers = TypeVar("Numbers", Tensor, np.ndarray)


def clipped_policy_loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, epsilon: float) -> Tensor:
    """PPO's clipped surrogate with the opposite sign: the mean over rows and columns.

    Every column has its own probability ratio.
    Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", equation 7.

    Args:
        log_prob: (n, columns) log-probability under the present policy.
        old_log_prob: (n, columns) log-probability when the action was taken.
        advantage: (n,).
        epsilon: the clip range: a ratio counts as at least 1 - epsilon and at most 1 + epsilon.
    """
    ratio = (log_prob - old_log_prob).exp()
    clipped = ratio.clamp(1.0 - epsilon, 1.0 + epsilon)
    return -torch.minimum(ratio * advantage[:, None], clipped * advantage[:, None]).mean()


def clipped_policy_gradient(
    log_prob: np.ndarray, old_log_prob: np.ndarray, advantage: np.ndarray, epsilon: float
) -> tuple[float, np.ndarray]:
    """Return `clipped_policy_loss` and its gradient with respect to `log_prob`, (n, columns)."""
    ratio = np.exp(log_prob - old_log_prob)
    gain = ratio * advantage[:, None]
    clipped_gain = ratio.clip(1.0 - epsilon, 1.0 + epsilon) * advantage[:, None]
    gradient = np.where(gain <= clipped_gain, gain, 0.0) * np.float32(-1.0 / gain.size)
    return -float(np.minimum(gain, clipped_gain).sum()) / gain.size, gradient


def policy_gradient_loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor) -> Tensor:
    """The loss of the advantage actor-critic, in which each part of an action has an importance weight.

    The weight is the ratio of the part's probability now to that when the action was taken. It is a constant without
    gradient, and it is 1 until the policy changes.
    Sources: Mnih et al. 2016, "Asynchronous Methods for Deep Reinforcement Learning", section 4; for the weight, Degris
    et al. 2012, "Off-Policy Actor-Critic".

    Args:
        log_prob: (n, parts) log-probability under the present policy.
        old_log_prob: (n, parts) log-probability when the action was taken.
        advantage: (n,).
    """
    importance = (log_prob - old_log_prob).exp().detach()
    return -((importance * log_prob).sum(1) * advantage).mean()


def policy_gradient_gradient(
    log_prob: np.ndarray, old_log_prob: np.ndarray, advantage: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return `policy_gradient_loss` and its gradient with respect to `log_prob`, (n, parts)."""
    gradient = np.exp(log_prob - old_log_prob) * advantage[:, None] * np.float32(-1.0 / len(advantage))
    return float(np.vdot(gradient, log_prob)), gradient


def value_loss(value: Tensor, returns: Tensor, old_value: Tensor | None = None) -> Tensor:
    """Mean squared error over rows and reward streams, without a factor of 1/2.

    Args:
        value: (n, streams) the critic's output.
        returns: (n, streams) its targets.
        old_value: ignored; `clipped_value_loss` uses it.
    """
    return (value - returns).square().mean()


def value_gradient(
    value: np.ndarray, returns: np.ndarray, old_value: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Return `value_loss` and its gradient with respect to `value`, (n, streams)."""
    error = value - returns
    return float(np.vdot(error, error)) / error.size, error * np.float32(2.0 / error.size)


def clipped_value_loss(value: Tensor, returns: Tensor, old_value: Tensor, epsilon: float) -> Tensor:
    """The larger squared error of the value and the value clipped around the old one, averaged over rows and streams.

    As in ML-Agents' PPO, `epsilon` is the present clip range of the policy.

    Args:
        value: (n, streams) the critic's output.
        returns: (n, streams) its targets.
        old_value: (n, streams) the critic's output before the update.
        epsilon: largest difference of the clipped value from the old one.
    """
    clipped = old_value + (value - old_value).clamp(-epsilon, epsilon)
    return torch.maximum((value - returns).square(), (clipped - returns).square()).mean()


def clipped_value_gradient(
    value: np.ndarray, returns: np.ndarray, old_value: np.ndarray, epsilon: float
) -> tuple[float, np.ndarray]:
    """Return `clipped_value_loss` and its gradient with respect to `value`, (n, streams)."""
    error = value - returns
    clipped_error = old_value + (value - old_value).clip(-epsilon, epsilon) - returns
    square, clipped_square = error * error, clipped_error * clipped_error
    has_gradient = (square >= clipped_square) | (np.abs(value - old_value) <= epsilon)
    loss = float(np.maximum(square, clipped_square).sum()) / error.size
    return loss, np.where(has_gradient, error, 0.0) * np.float32(2.0 / error.size)


def q_target(
    reward: Tensor, discount: Tensor, target_values: Tensor, choosing_values: Tensor | None = None
) -> Tensor:
    """Return the target for the value of the action taken, (n,).

    Sources: Mnih et al. 2015, "Human-level control through deep reinforcement learning", algorithm 1; with
    `choosing_values`, van Hasselt et al. 2016, "Deep Reinforcement Learning with Double Q-learning", equation 4.

    Args:
        reward: (n,) discounted sum of the rewards of the transition.
        discount: (n,) weight of the value of the next observation; 0 after termination.
        target_values: (n, choices) values of the next observation by the target network.
        choosing_values: (n, choices) values that choose the next action; None means `target_values`.
    """
    chooser = target_values if choosing_values is None else choosing_values
    best = target_values.gather(1, chooser.argmax(1, keepdim=True)).squeeze(1)
    return reward + discount * best


def q_loss(value: Tensor, target: Tensor) -> Tensor:
    """Mean smooth L1 (Huber) loss, as in ML-Agents' DQN plugin: quadratic up to an error of 1, then linear.

    Args:
        value: (n,) values of the actions taken.
        target: (n,).
    """
    return torch.nn.functional.smooth_l1_loss(value, target)


def approximate_kl(log_prob: Tensor, old_log_prob: Tensor) -> Tensor:
    """Estimate KL(old || new) in nats from log-probabilities (n,) of sampled actions, with low variance.

    Source: Schulman 2020, "Approximating KL Divergence", estimator k3.
    """
    log_ratio = log_prob - old_log_prob
    return (log_ratio.exp() - 1.0 - log_ratio).mean()


def outside(log_ratio: Numbers, epsilon: float) -> Numbers:
    """Whether ratios of probabilities are below 1 - epsilon or above 1 + epsilon, from their logarithms, any shape."""
    low = math.log1p(-epsilon) if epsilon < 1.0 else -math.inf
    return (log_ratio < low) | (log_ratio > math.log1p(epsilon))


def explained_variance(value: Tensor, returns: Tensor) -> Tensor:
    """The part of the returns' variance that the values explain: 1 - Var(returns - value) / Var(returns); both (n,).

    It is 1 for a perfect critic, 0 for a constant one, and negative for a worse one; 0 if all returns are equal.
    """
    variance = returns.var(unbiased=False)
    return torch.where(variance > 0, 1.0 - (returns - value).var(unbiased=False) / variance, 0.0)
