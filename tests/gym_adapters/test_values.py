"""What a value is that other people's code returned."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gym_adapters.values import repeated


@given(st.lists(st.integers(-20, 20), max_size=12))
def test_the_lowest_id_that_comes_twice_is_found(ids: list[int]) -> None:
    twice = [number for number, count in Counter(ids).items() if count > 1]
    assert repeated(np.array(ids, np.int32)) == min(twice, default=None)
