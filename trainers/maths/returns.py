"""Generalised advantage estimation, and how an agent's trajectory continues after a row."""

from enum import IntEnum

import numpy as np


class Ending(IntEnum):
    """How an agent's trajectory continues after a row's reward.

    Every ending but GOES_ON stops the lambda-return. After TERMINATED, the next value counts as 0, unless the reward
    signal says otherwise (`beyond_the_end`). After the others, it is the value of the agent's next observation.
    """

    GOES_ON = 0
    """The trajectory continues with the agent's next row."""
    CUT = 1
    """The trajectory reached `time_horizon`; the episode continues."""
    INTERRUPTED = 2
    """The episode was truncated, for example at a time limit."""
    TERMINATED = 3
    """The episode terminated."""


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
    """Compute generalised advantage estimates over linked rows, in one backward pass over step batches.

    With V(next) the value of the agent's next row, and 0 after termination:
    delta = r + gamma V(next) - V
    A = delta + gamma lambda A(next), where the second term is dropped unless the trajectory goes on.
    Source: Schulman et al. 2016, "High-Dimensional Continuous Control Using Generalized Advantage Estimation",
    equations 11 and 16.

    Args:
        reward: (n, streams) reward of each row.
        value: (n, streams) value of each row's observation.
        next_row: (n,) index of the agent's next row, or of its last observation; -1 if there is none.
        ending: (n,) `Ending` of each row.
        settled: (n,) bool, whether the row's reward has arrived; other rows get advantage 0.
        starts: (batches,) first row of each step batch, ascending; a next row lies in a later batch.
        gamma: (streams,) discount per decision.
        lambd: GAE lambda (ML-Agents key `lambd`).
        beyond_the_end: (streams,) bool, whether V(next) counts after termination too.

    Returns:
        (n, streams) float32 advantages.
    """
    known = next_row >= 0
    target = np.where(known, next_row, 0)
    bootstraps = (ending != Ending.TERMINATED)[:, None] | beyond_the_end
    next_value = np.where(known[:, None] & bootstraps, value[target], 0.0)
    advantage = np.where(settled[:, None], reward + gamma * next_value - value, 0.0).astype(np.float32)
    decay = (gamma * lambd * (known & settled & (ending == Ending.GOES_ON))[:, None]).astype(np.float32)
    ends = np.append(starts[1:], len(reward))
    for first, last in zip(starts[::-1].tolist(), ends[::-1].tolist(), strict=True):
        advantage[first:last] += decay[first:last] * advantage[target[first:last]]
    return advantage


def episode_sums(
    reward: np.ndarray,
    next_row: np.ndarray,
    ending: np.ndarray,
    settled: np.ndarray,
    starts: np.ndarray,
    before: np.ndarray,
) -> np.ndarray:
    """Sum the rewards of each agent's episode, in one forward pass over step batches.

    Args:
        reward: (n, streams) reward of each row; that of rows that are not settled does not count.
        next_row: (n,) index of the agent's next row; -1 if there is none.
        ending: (n,) `Ending` of each row.
        settled: (n,) bool, whether the row's reward has arrived.
        starts: (batches,) first row of each step batch, ascending; a next row lies in a later batch.
        before: (n, streams) sums of the episode's rewards before rows whose previous row is not here; else 0.

    Returns:
        (n, streams) float64 sums up to and including the reward of each row.
    """
    total = before + np.where(settled[:, None], reward, 0.0)
    goes_on = settled & (ending < Ending.INTERRUPTED)
    ends = np.append(starts, len(reward))[1:]
    for first, last in zip(starts.tolist(), ends.tolist(), strict=True):
        rows = first + np.flatnonzero(goes_on[first:last])
        total[next_row[rows]] += total[rows]
    return total
