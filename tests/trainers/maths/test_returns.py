"""Advantages of a few steps against closed forms."""

import numpy as np
import pytest

from trainers.maths.returns import Ending, gae


def test_gae_of_four_steps_by_hand():
    # One agent, V = 1, 2, 3, 4 and 5 for what it sees at the end, rewards 1, 0, 2, 1.
    # gamma 0.5, lambda 0.5:  delta = r + 0.5 V' - V;  A = delta + 0.25 A'.
    reward = np.array([[1.0], [0.0], [2.0], [1.0], [0.0]], np.float32)
    value = np.array([[1.0], [2.0], [3.0], [4.0], [5.0]], np.float32)
    next_row = np.array([1, 2, 3, 4, -1])
    closed = np.array([True, True, True, True, False])
    starts = np.arange(5)
    gamma = np.array([0.5], np.float32)

    def advantages(endings: dict[int, Ending], beyond: bool = False) -> list[float]:
        ending = np.array([endings.get(row, Ending.GOES_ON) for row in range(5)], np.int8)
        lasts = np.array([beyond])
        return gae(reward, value, next_row, ending, closed, starts, gamma, 0.5, lasts)[:, 0].tolist()

    # interrupted after the fourth: deltas 1, -0.5, 1, -0.5
    interrupted = [0.9296875, -0.28125, 0.875, -0.5, 0.0]
    assert advantages({3: Ending.INTERRUPTED}) == interrupted
    # terminated after the fourth: last delta 1 - 4 = -3, unless the signal's value goes on
    assert advantages({3: Ending.TERMINATED}) == [0.890625, -0.4375, 0.25, -3.0, 0.0]
    assert advantages({3: Ending.TERMINATED}, beyond=True) == interrupted
    # cut by the horizon after the second, interrupted after the fourth
    assert advantages({1: Ending.CUT, 3: Ending.INTERRUPTED}) == [0.875, -0.5, 0.875, -0.5, 0.0]


def test_gae_keeps_reward_streams_apart():
    rng = np.random.default_rng(0)
    rows, streams = 40, 3
    reward = rng.normal(size=(rows, streams)).astype(np.float32)
    value = rng.normal(size=(rows, streams)).astype(np.float32)
    next_row = np.append(np.arange(1, rows), -1)
    ending = rng.integers(0, 4, rows).astype(np.int8)
    closed = np.ones(rows, bool)
    gamma, beyond = np.array([0.9, 0.5, 0.0], np.float32), np.array([False, True, False])
    together = gae(reward, value, next_row, ending, closed, np.arange(rows), gamma, 0.9, beyond)
    for stream in range(streams):
        one = slice(stream, stream + 1)
        alone = gae(
            reward[:, one],
            value[:, one],
            next_row,
            ending,
            closed,
            np.arange(rows),
            gamma[one],
            0.9,
            beyond[one],
        )
        np.testing.assert_array_equal(together[:, one], alone)


@pytest.mark.parametrize("lambd", [0.0, 1.0])
def test_gae_ends_of_lambda(lambd):
    rng = np.random.default_rng(1)
    rows = 20
    reward = rng.normal(size=(rows, 1)).astype(np.float32)
    value = rng.normal(size=(rows, 1)).astype(np.float32)
    next_row = np.append(np.arange(1, rows), -1)
    ending, settled = np.zeros(rows, np.int8), np.ones(rows, bool)
    gamma = np.array([0.9], np.float32)
    found = gae(reward, value, next_row, ending, settled, np.arange(rows), gamma, lambd, np.array([False]))
    if lambd == 0.0:
        expected = reward + 0.9 * np.append(value[1:], [[0.0]], axis=0) - value
    else:
        discounted = [sum(0.9**k * reward[row + k, 0] for k in range(rows - row)) for row in range(rows)]
        expected = np.array(discounted)[:, None] - value
    np.testing.assert_allclose(found, expected, atol=1e-5)
