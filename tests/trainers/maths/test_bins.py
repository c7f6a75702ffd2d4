"""Numbers as probabilities of bins, against the normal distribution and their own mean."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainers.maths.bins import SMOOTHING, centres, spread

numbers = st.floats(-30.0, 30.0, width=32)


def test_centres_lie_in_the_middle_of_equal_parts():
    torch.testing.assert_close(centres(4, 2.0), torch.tensor([-1.5, -0.5, 0.5, 1.5]))


@given(numbers, st.integers(2, 200), st.floats(0.5, 20.0))
def test_probabilities_are_those_of_a_normal_distribution_that_is_cut_off(number, count, limit):
    found = spread(torch.tensor([number], dtype=torch.float64), count, limit)[0]
    assert found.sum().item() == pytest.approx(1.0)
    assert found.min() >= 0.0
    mean = max(-limit, min(limit, number))
    normal = torch.distributions.Normal(
        torch.tensor(mean, dtype=torch.float64), SMOOTHING * 2 * limit / count, validate_args=False
    )
    edges = torch.linspace(-limit, limit, count + 1)
    below = normal.cdf(edges.double())
    expected = (below[1:] - below[:-1]) / (below[-1] - below[0])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@given(st.floats(-0.875, 0.875), st.integers(51, 301))
def test_the_mean_is_the_number_away_from_the_ends(share, count):
    limit = 5.0
    found = spread(torch.tensor(share * limit), count, limit) @ centres(count, limit)
    assert found.item() == pytest.approx(share * limit, abs=0.01 * 2 * limit / count)


def test_a_number_beyond_the_range_counts_as_its_end():
    found = spread(torch.tensor([[7.0, 5.0], [-7.0, -5.0]]), 11, 5.0)
    assert found.shape == (2, 2, 11)
    assert torch.equal(found[:, 0], found[:, 1])
    assert found[0, 0].argmax() == 10
    assert found[1, 0].argmax() == 0
