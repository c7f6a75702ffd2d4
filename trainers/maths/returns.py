"""Advantages and returns of a rollout."""

import numpy as np


def gae(
    reward: np.ndarray,
    value: np.ndarray,
    next_row: np.ndarray,
    cut: np.ndarray,
    closed: np.ndarray,
    starts: np.ndarray,
    gamma: np.ndarray,
    lambd: float,
) -> np.ndarray:
    """Generalised advantage estimation over linked rows, one reverse pass over step batches.

    With V(next) the value of the agent's following row, and 0 after a true end:
    delta = r + gamma V(next) - V;  A = delta + gamma lambda A(next), the second term only where the trajectory
    goes on. Source: Schulman et al. 2016, "High-Dimensional Continuous Control Using Generalized Advantage
    Estimation", equations 11 and 16.

    Args:
        reward: (n, streams) reward of each row.
        value: (n, streams) value of each row's observation.
        next_row: (n,) index of the agent's following row, -1 after a true end.
        cut: (n,) bool, the value bootstraps but the advantage does not flow back.
        closed: (n,) bool; rows that are not closed get advantage 0.
        starts: (batches,) first row of each step batch, ascending; links lead into later batches.
        gamma: (streams,) discount per step.
        lambd: GAE lambda (ML-Agents key `lambd`).

    Returns:
        (n, streams) float32 advantages.
    """
    goes_on = next_row >= 0
    target = np.where(goes_on, next_row, 0)
    next_value = np.where(goes_on[:, None], value[target], 0.0)
    advantage = np.where(closed[:, None], reward + gamma * next_value - value, 0.0).astype(np.float32)
    flow = (gamma * lambd * (goes_on & ~cut & closed)[:, None]).astype(np.float32)
    ends = np.append(starts[1:], len(reward))
    for first, last in zip(starts[::-1].tolist(), ends[::-1].tolist(), strict=True):
        advantage[first:last] += flow[first:last] * advantage[target[first:last]]
    return advantage
