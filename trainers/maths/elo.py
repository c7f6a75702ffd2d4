"""Elo ratings, the results of games, and how sure a score is (Elo, The Rating of Chessplayers, 1978)."""

import math
from collections.abc import Sequence

import numpy as np

GAIN = 8.0
"""Rating points that a side gains by a win that nobody expected (Elo's K)."""

SPREAD = 400.0
"""Rating difference at which the stronger side is expected to score ten times as much as the weaker one."""

LARGEST_EXPONENT = 300.0
"""10 to this power is a number in 64 bits; the score is 0 as far as anyone can tell."""


def expected_score(own: float, other: float) -> float:
    """Return the score that a side with rating `own` is expected to reach against `other`: from 0 to 1."""
    return 1.0 / (1.0 + 10.0 ** min((other - own) / SPREAD, LARGEST_EXPONENT))


def rating_difference(score: float) -> float:
    """Return the rating difference at which `score` is expected; infinite for 0 and 1. Inverts `expected_score`."""
    if not 0.0 < score < 1.0:
        return math.copysign(math.inf, score - 0.5)
    return SPREAD * math.log10(score / (1.0 - score))


def results(last: np.ndarray, returns: np.ndarray) -> np.ndarray:
    """Return the results of n games, (n,): 1 won, 0.5 drawn, 0 lost.

    As in ML-Agents, the last reward decides. If it is 0, the sum of all rewards does, so that a game that is cut off is
    won by the side that is ahead.

    Args:
        last: (n,) own and group rewards of the last step.
        returns: (n,) sums of all own and group rewards.
    """
    found: np.ndarray = 0.5 + 0.5 * np.sign(np.where(last != 0.0, last, returns))
    return found


def score_interval(scores: Sequence[float]) -> tuple[float, float]:
    """Return the interval that holds the true mean score with a probability of 95%.

    It is Wilson's interval (1927), which stays inside [0, 1] and does not vanish when all games are won. Drawn games
    make it a little wider than need be.

    Args:
        scores: results of at least one game, from 0 to 1.
    """
    n, mean, z = len(scores), float(np.mean(scores)), 1.959964
    middle = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
