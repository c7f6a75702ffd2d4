"""Elo ratings, results and intervals against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.maths.elo import expected_score, rating_difference, results, score_interval

RATING = st.floats(-2000.0, 4000.0) | st.floats(-1e308, 1e308)
"""A training file may give any number as `initial_elo`, another one for each behavior."""


@given(RATING, RATING)
def test_both_sides_expect_one_point_together(own: float, other: float) -> None:
    assert expected_score(own, other) + expected_score(other, own) == pytest.approx(1.0)


def test_400_points_are_ten_to_one() -> None:
    assert expected_score(1600.0, 1200.0) == pytest.approx(10 / 11)
    assert expected_score(1200.0, 1200.0) == 0.5
    assert rating_difference(0.75) == pytest.approx(400 * math.log10(3))
    assert rating_difference(1.0) == math.inf
    assert rating_difference(0.0) == -math.inf


@given(st.floats(-1000.0, 1000.0))
def test_the_difference_inverts_the_score(difference: float) -> None:
    assert rating_difference(expected_score(difference, 0.0)) == pytest.approx(difference, abs=1e-6)


def test_the_last_reward_decides_and_then_the_sum() -> None:
    last = np.array([1.0, -0.1, 0.0, 0.0, 0.0])
    returns = np.array([-5.0, 3.0, 2.0, -2.0, 0.0])
    assert results(last, returns).tolist() == [1.0, 0.0, 1.0, 0.0, 0.5]


@pytest.mark.parametrize(("wins", "games", "low", "high"), [(10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634)])
def test_the_interval_is_wilsons(wins: int, games: int, low: float, high: float) -> None:
    found = score_interval([1.0] * wins + [0.0] * (games - wins))
    assert found == pytest.approx((low, high), abs=1e-4)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=50))
def test_the_interval_holds_the_mean(scores: list[float]) -> None:
    low, high = score_interval(scores)
    assert 0.0 <= low <= np.mean(scores) + 1e-12
    assert np.mean(scores) - 1e-12 <= high <= 1.0
