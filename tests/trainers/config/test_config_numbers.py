"""How numbers of the training file may be written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_adapters.errors import UserError
from gym_adapters.limits import STEPS
from trainers.config import BehaviorSettings, load_settings


def behavior(**keys: Any) -> BehaviorSettings:
    return load_settings({"behaviors": {"Walker": keys}}).behavior("Walker")


def learning_rate(value: Any) -> float:
    hyper = {"learning_rate": value}
    return behavior(trainer_type="ppo", hyperparameters=hyper).hyperparameters.learning_rate


@pytest.mark.parametrize("text", ["3e-4", "3E-4", "3.0e-4", "+.0003", " 0.0003 ", "0.000_3"])
def test_text_that_spells_a_number_is_that_number(text: str) -> None:
    assert learning_rate(text) == 3e-4


@pytest.mark.parametrize("value", ["1e7", "1.0e7", 1e7, "10000000", 10**7])
def test_whole_numbers_may_be_written_with_an_exponent(value: Any) -> None:
    steps = behavior(max_steps=value).max_steps
    assert steps == 10**7
    assert type(steps) is int


@pytest.mark.parametrize(
    "value", ["nan", "inf", ".inf", "0x10", "", "1e", float("nan"), float("inf"), "1e999"]
)
def test_what_is_not_a_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(UserError, match=r"learning_rate: expected a number > 0"):
        learning_rate(value)


@given(st.integers(1, STEPS))
def test_whole_numbers_are_exact_at_any_size(steps: int) -> None:
    assert behavior(max_steps=str(steps)).max_steps == behavior(max_steps=steps).max_steps == steps


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_numbers_as_text_lose_nothing(rate: float) -> None:
    assert learning_rate(repr(rate)) == rate
