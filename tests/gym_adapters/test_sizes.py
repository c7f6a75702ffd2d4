"""Sizes from outside: what fits passes, what does not is refused with its owner and its number."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_adapters import limits
from gym_adapters.errors import UserError
from gym_adapters.sizes import check_actions, check_observations, machine_memory, require_memory

sizes = st.integers(-(2**70), 2**70)


@given(st.lists(st.lists(sizes | st.integers(1, 99), max_size=6), max_size=5))
def test_observations_pass_exactly_if_they_are_within_the_limits(shapes: list[list[int]]) -> None:
    fit = (
        all(len(shape) <= limits.DIMENSIONS and min(shape, default=1) >= 1 for shape in shapes)
        and sum(map(math.prod, shapes)) <= limits.OBSERVATION_VALUES
    )
    if fit:
        check_observations("behavior W", shapes)
        return
    with pytest.raises(
        UserError, match=r"^behavior W: observation \d has the shape \(.*\); expected"
    ) as caught:
        check_observations("behavior W", shapes)
    assert "\n" not in str(caught.value)


@given(sizes | st.integers(0, 99), st.lists(sizes | st.integers(1, 99), max_size=8))
def test_actions_pass_exactly_if_they_are_within_the_limits(continuous: int, branches: list[int]) -> None:
    if continuous >= 0 and min(branches, default=1) >= 1 and continuous + sum(branches) <= limits.ACTIONS:
        check_actions("behavior W", continuous, branches)
        return
    with pytest.raises(UserError, match=r"^behavior W: expected .* got "):
        check_actions("behavior W", continuous, branches)


def test_memory_is_compared_with_the_whole_machine() -> None:
    require_memory(machine_memory(), "a buffer", "lower it")
    with pytest.raises(
        UserError, match=r"^a buffer needs [\d,.]+ GiB of memory or more, .* [\d,.]+; lower it$"
    ):
        require_memory(machine_memory() + 1, "a buffer", "lower it")
