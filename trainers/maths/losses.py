"""Loss terms as pure functions of tensors of shape (n,) or (n, streams).

Each `*_gradient` is the loss beside it written out in numpy: the loss, and its gradient by the first argument.
"""

import numpy as np
import torch
from torch import Tensor


def clipped_policy_loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, epsilon: float) -> Tensor:
    """PPO's clipped surrogate, to be minimised; the mean over rows and columns, each column with a ratio of its own.

    Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", equation 7.

    Args:
        log_prob: (n, columns) now.
        old_log_prob: (n, columns) when the actions were taken.
        advantage: (n,).
        epsilon: how far a ratio may move from 1.
    """
    ratio = (log_prob - old_log_prob).exp()
    clipped = ratio.clamp(1.0 - epsilon, 1.0 + epsilon)
    return -torch.minimum(ratio * advantage[:, None], clipped * advantage[:, None]).mean()


def clipped_policy_gradient(
    log_prob: np.ndarray, old_log_prob: np.ndarray, advantage: np.ndarray, epsilon: float
) -> tuple[float, np.ndarray]:
    """`clipped_policy_loss` and its gradient by `log_prob`, (n, columns)."""
    ratio = np.exp(log_prob - old_log_prob)
    gain = ratio * advantage[:, None]
    clipped_gain = ratio.clip(1.0 - epsilon, 1.0 + epsilon) * advantage[:, None]
    slope = np.where(gain <= clipped_gain, gain, 0.0) * np.float32(-1.0 / gain.size)
    return -float(np.minimum(gain, clipped_gain).sum()) / gain.size, slope


def policy_gradient_loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor) -> Tensor:
    """The advantage actor-critic loss, to be minimised, each part of an action weighted by its importance.

    Sources: Mnih et al. 2016, section 4; the weight, which is 1 until the policy moves: Degris et al. 2012,
    "Off-Policy Actor-Critic".

    Args:
        log_prob: (n, parts) of each part of the actions, now.
        old_log_prob: (n, parts) when the actions were taken.
        advantage: (n,).
    """
    importance = (log_prob - old_log_prob).exp().detach()
    return -((importance * log_prob).sum(1) * advantage).mean()


def policy_gradient_gradient(
    log_prob: np.ndarray, old_log_prob: np.ndarray, advantage: np.ndarray
) -> tuple[float, np.ndarray]:
    """`policy_gradient_loss` and its gradient by `log_prob`, (n, parts)."""
    slope = np.exp(log_prob - old_log_prob) * advantage[:, None] * np.float32(-1.0 / len(advantage))
    return float(np.vdot(slope, log_prob)), slope


def value_loss(value: Tensor, returns: Tensor, old_value: Tensor | None = None) -> Tensor:
    """Mean squared error, no factor 1/2, averaged over reward streams. Arguments (n, streams).

    `old_value` is not looked at; `clipped_value_loss` takes it.
    """
    return (value - returns).square().mean()


def value_gradient(
    value: np.ndarray, returns: np.ndarray, old_value: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """`value_loss` and its gradient by `value`, (n, streams)."""
    error = value - returns
    return float(np.vdot(error, error)) / error.size, error * np.float32(2.0 / error.size)


def clipped_value_loss(value: Tensor, returns: Tensor, old_value: Tensor, epsilon: float) -> Tensor:
    """Squared error of the value or of the value clipped around the old one, whichever is larger.

    ML-Agents' PPO clips with the same (decayed) `epsilon` as the policy. Arguments (n, streams).
    """
    clipped = old_value + (value - old_value).clamp(-epsilon, epsilon)
    return torch.maximum((value - returns).square(), (clipped - returns).square()).mean()


def clipped_value_gradient(
    value: np.ndarray, returns: np.ndarray, old_value: np.ndarray, epsilon: float
) -> tuple[float, np.ndarray]:
    """`clipped_value_loss` and its gradient by `value`, (n, streams)."""
    error = value - returns
    clipped_error = old_value + (value - old_value).clip(-epsilon, epsilon) - returns
    square, clipped_square = error * error, clipped_error * clipped_error
    moves = (square >= clipped_square) | (np.abs(value - old_value) <= epsilon)
    loss = float(np.maximum(square, clipped_square).sum()) / error.size
    return loss, np.where(moves, error, 0.0) * np.float32(2.0 / error.size)


def q_target(
    reward: Tensor, discount: Tensor, target_values: Tensor, choosing_values: Tensor | None = None
) -> Tensor:
    """What the value of the action taken should be, (n,).

    Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning", algorithm 1; with
    `choosing_values`, van Hasselt et al. 2016, "Deep Reinforcement Learning with Double Q-learning", equation 4.

    Args:
        reward: (n,) sum of the rewards on the way.
        discount: (n,) weight of the value at its end; 0 after a true end.
        target_values: (n, choices) the target network's values at the end.
        choosing_values: (n, choices) values by which the action there is chosen; None: the target network's own.
    """
    chooser = target_values if choosing_values is None else choosing_values
    best = target_values.gather(1, chooser.argmax(1, keepdim=True)).squeeze(1)
    return reward + discount * best


def q_loss(value: Tensor, target: Tensor) -> Tensor:
    """Smooth L1 (Huber) loss, as in ML-Agents' DQN plugin: squared up to an error of 1, then linear. Arguments (n,)."""
    return torch.nn.functional.smooth_l1_loss(value, target)


def approximate_kl(log_prob: Tensor, old_log_prob: Tensor) -> Tensor:
    """Low-variance estimate of KL(old || new), nats. Source: Schulman 2020, "Approximating KL Divergence" (k3)."""
    log_ratio = log_prob - old_log_prob
    return (log_ratio.exp() - 1.0 - log_ratio).mean()
