"""Numbers and times as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.records.words import duration, short_count, three_digits

UNITS = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9381, "0.938"),
        (-0.0012, "-0.00120"),
        (1.0, "1.00"),
        (12.345, "12.3"),
        (99.96, "100"),
        (412.4, "412"),
        (-2103.4, "-2,103"),
        (0.0, "0"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (1e12, "1.00e+12"),
    ],
)
def test_three_significant_digits(value, text):
    assert three_digits(value) == text


@given(st.floats(-1e300, 1e300, allow_subnormal=False))
def test_a_number_is_shown_to_half_a_hundredth_in_few_letters(value):
    text = three_digits(value)
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.005)
    assert len(text) <= 12


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00k"),
        (12_345, "12.3k"),
        (499_123, "499k"),
        (999_499, "999k"),
        (999_500, "1.00M"),
        (1_000_000, "1.00M"),
        (12_000_000_000, "12.0G"),
    ],
)
def test_short_counts(count, text):
    assert short_count(count) == text


@given(st.integers(0, 10**15))
def test_a_short_count_fits_five_letters_and_is_near(count):
    text = short_count(count)
    number = float(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else float(text)
    assert len(text) <= 5
    assert number == pytest.approx(count, rel=0.005)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (253, "4:13"), (93_853, "26:04:13")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
