"""Steps of any `BaseEnv` get one form, or one line names what does not fit."""

from typing import Any

import numpy as np
import pytest
from mlagents_envs.base_env import ActionSpec, BehaviorSpec, DecisionSteps, TerminalSteps
from scripted_env import make_spec

from tests.refusals import refused
from trainers.experience.checks import (
    StepsChecker,
    checked_pair,
    checked_specs,
    require_learnable,
    require_same,
)

SPEC = make_spec((2,), (1, 4, 4), branches=(3,))


def parts(count: int = 3, **other: Any) -> dict[str, Any]:
    return {
        "obs": [np.ones((count, 2), np.float32), np.full((count, 1, 4, 4), 9, np.uint8)],
        "reward": np.arange(count, dtype=np.float32),
        "agent_id": np.arange(count, dtype=np.int32),
        "group_id": np.zeros(count, np.int32),
        "group_reward": np.zeros(count, np.float32),
        **other,
    }


def decision(**other: Any) -> DecisionSteps:
    return DecisionSteps(**parts(**other), action_mask=None)


def test_good_steps_are_passed_on_as_they_are():
    checker = StepsChecker("B", SPEC)
    checker.checked(decision())
    second = decision()
    assert checker.checked(second) is second


def test_lists_and_wider_types_get_the_one_form():
    whole = parts()
    plain = {key: value.tolist() for key, value in whole.items() if key != "obs"}
    obs = (whole["obs"][0].astype(np.float64).tolist(), whole["obs"][1])
    steps = TerminalSteps(obs=obs, interrupted=[0, 1, 0], **{**plain, "group_id": None, "group_reward": None})
    checked = StepsChecker("B", SPEC).checked(steps)
    assert [array.dtype for array in checked.obs] == [np.float32, np.uint8]
    assert (checked.reward.dtype, checked.interrupted.dtype) == (np.float32, np.bool_)
    for name in ("reward", "agent_id", "group_id", "group_reward"):
        np.testing.assert_array_equal(getattr(checked, name), whole[name])
    assert checked.interrupted.tolist() == [False, True, False]


def test_nobody_may_be_empty_lists():
    nobody = DecisionSteps(obs=[], reward=[], agent_id=[], action_mask=None, group_id=[], group_reward=[])
    checked = StepsChecker("B", SPEC).checked(nobody)
    assert [array.shape for array in checked.obs] == [(0, 2), (0, 1, 4, 4)]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"obs": [np.ones((3, 2), np.float32)]}, "obs is 1 arrays; expected a list of 2 arrays"),
        ({"obs": None}, "obs is None"),
        (
            {"obs": [np.ones((3, 3)), None]},
            "observation 0 is of shape (3, 3); expected numbers of shape (3, 2)",
        ),
        ({"obs": [np.ones((3, 2)), np.ones((3, 1, 4, 4), int)]}, "observation 1 is an image of type int64"),
        (
            {"obs": [np.full((3, 2), 1e300), np.ones((3, 1, 4, 4))]},
            "agent 0: observation 0, element [0] is inf",
        ),
        ({"reward": None}, "reward is None"),
        ({"reward": np.ones((3, 1), np.float32)}, "expected 3 numbers, one per agent"),
        ({"reward": ["1", "2", "3"]}, "reward is ['1', '2', '3']"),
        ({"group_reward": np.array([0.0, np.nan, 0.0])}, "agent 1: group reward is nan"),
        ({"agent_id": np.array([4, 7, 4])}, "agent_id has agent 4 twice"),
        ({"agent_id": [0.5, 1.5, 2.5]}, "expected one integer per agent"),
        ({"group_id": np.zeros(2, int)}, "group_id is array([0, 0]) of shape (2,)"),
    ],
)
def test_what_does_not_fit_is_named(other, told):
    message = refused(lambda: StepsChecker("B", SPEC).checked(decision(**other)))
    assert message.startswith("behavior B, ")
    assert told in message


@pytest.mark.parametrize("interrupted", [None, [True], ["yes"] * 3, np.zeros(3)])
def test_interrupted_is_one_flag_per_agent(interrupted):
    steps = TerminalSteps(**parts(), interrupted=interrupted)
    assert "interrupted is" in refused(lambda: StepsChecker("B", SPEC).checked(steps))


def test_an_image_keeps_its_type():
    """Floats from 0 to 1 would all be 0 among bytes."""
    checker = StepsChecker("B", SPEC)
    checker.checked(decision())
    floats = decision(obs=[np.ones((3, 2), np.float32), np.ones((3, 1, 4, 4), np.float32)])
    assert "observation 1 is float32 and was uint8 before" in refused(lambda: checker.checked(floats))


@pytest.mark.parametrize("steps", [None, (), 7, (decision(),), (decision(), decision())])
def test_get_steps_returns_a_pair(steps):
    assert "expected a DecisionSteps and a TerminalSteps" in refused(lambda: checked_pair("B", steps))


@pytest.mark.parametrize("specs", [None, ["B"], {"B": None}, {3: SPEC}])
def test_behaviors_are_names_and_specs(specs):
    assert "behavior_specs" in refused(lambda: checked_specs(specs))


@pytest.mark.parametrize(
    "spec",
    [
        BehaviorSpec([], ActionSpec(1, ())), make_spec((2,)), make_spec((2,), branches=(3, 0)),
        make_spec((0,), continuous=1), make_spec((), continuous=1), make_spec((-1,), continuous=1),
    ],
)  # fmt: skip
def test_a_behavior_sees_and_does_something(spec):
    assert "behavior B: " in refused(lambda: require_learnable("B", spec))


def test_a_behavior_stays_what_it_is():
    require_same("B", make_spec((2,), (1, 4, 4), branches=(3,), names=("new", "names")), SPEC)
    assert "changed from" in refused(lambda: require_same("B", make_spec((2,), branches=(3,)), SPEC))
