"""Advantages of a rollout, and the four ways in which a row's trajectory goes on."""

from enum import IntEnum

import numpy as np


class Ending(IntEnum):
    """How a row's trajectory goes on after its reward.

    Every ending but GOES_ON stops lambda-returns. After TERMINATED the value is 0, unless a reward signal goes on
    beyond the end. After the others it is that of the agent's next observation.
    """

    GOES_ON = 0
    CUT = 1
    """By `time_horizon`, or because the rollout ends."""
    INTERRUPTED = 2
    """The environment ended the episode without a true end, for example at a time limit."""
    TERMINATED = 3
    """The episode has truly ended."""


def gae(
    reward: np.ndarray,
    value: np.ndarray,
    next_row: np.ndarray,
    ending: np.ndarray,
    settled: np.ndarray,
    starts: np.ndarray,
    gamma: np.ndarray,
    lambd: float,
    beyond_the_end: np.ndarray,
) -> np.ndarray:
    """Generalised advantage estimation over linked rows, one reverse pass over step batches.

    With V(next) the value of the agent's following row, and 0 after a true end:
    delta = r + gamma V(next) - V;  A = delta + gamma lambda A(next), the second term only where the trajectory
    goes on. Source: Schulman et al. 2016, "High-Dimensional Continuous Control Using Generalized Advantage
    Estimation", equations 11 and 16.

    Args:
        reward: (n, streams) reward of each row.
        value: (n, streams) value of each row's observation.
        next_row: (n,) index of the agent's following row, or of its last observation; -1 where there is none.
        ending: (n,) `Ending` of each row.
        settled: (n,) bool; rows that are not settled get advantage 0.
        starts: (batches,) first row of each step batch, ascending; links lead into later batches.
        gamma: (streams,) discount per step.
        lambd: GAE lambda (ML-Agents key `lambd`).
        beyond_the_end: (streams,) bool, the value goes on after a true end.

    Returns:
        (n, streams) float32 advantages.
    """
    known = next_row >= 0
    target = np.where(known, next_row, 0)
    lasts = (ending != Ending.TERMINATED)[:, None] | beyond_the_end
    next_value = np.where(known[:, None] & lasts, value[target], 0.0)
    advantage = np.where(settled[:, None], reward + gamma * next_value - value, 0.0).astype(np.float32)
    flow = (gamma * lambd * (known & settled & (ending == Ending.GOES_ON))[:, None]).astype(np.float32)
    ends = np.append(starts[1:], len(reward))
    for first, last in zip(starts[::-1].tolist(), ends[::-1].tolist(), strict=True):
        advantage[first:last] += flow[first:last] * advantage[target[first:last]]
    return advantage
