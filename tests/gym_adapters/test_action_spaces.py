"""Action spaces become specs, and actions keep their values."""

import logging

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces import flatten
from gymnasium.vector.utils import concatenate, create_empty_array
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mlagents_envs.base_env import ActionTuple
from small_envs import box, scripted

from gym_adapters import check_env
from gym_adapters.action_spaces import ActionMapping
from gym_adapters.space_description import describe, space_from
from tests.refusals import refused

ACTIONS = {
    "box": (box(3), 3, ()),
    "matrix": (box(2, 2), 4, ()),
    "integers": (spaces.Box(-3, 4, (2,), np.int64), 2, ()),
    "discrete": (spaces.Discrete(4, start=2), 0, (4,)),
    "multi-discrete": (spaces.MultiDiscrete([2, 3], start=[0, 5]), 0, (2, 3)),
    "multi-binary": (spaces.MultiBinary(3), 0, (2, 2, 2)),
    "tuple": (spaces.Tuple((spaces.Discrete(3, start=1), box(2))), 2, (3,)),
    "nested": (spaces.Dict(go=spaces.Tuple((box(1), spaces.MultiDiscrete([2, 3]))), at=box(2, 2)), 5, (2, 3)),
}


@pytest.mark.parametrize("case", ACTIONS)
def test_environments_of_every_action_space_get_actions_they_contain(case):
    space, continuous_size, branches = ACTIONS[case]
    spec = ActionMapping(space).spec
    assert (spec.continuous_size, spec.discrete_branches) == (continuous_size, branches)
    check_env(scripted(box(1), space), steps=40)


FINITE = {"allow_nan": False, "allow_infinity": False}


@given(
    raw=arrays(np.float32, (4, 3), elements=st.floats(-10, 10, width=32, **FINITE)),
    low=arrays(np.float32, 3, elements=st.floats(-1e6, 0, width=32, **FINITE)),
    width=arrays(np.float32, 3, elements=st.floats(0, 1e6, width=32, **FINITE)),
)
def test_scaled_actions_lie_in_the_box_and_keep_their_order(raw, low, width):
    space = spaces.Box(low, low + width, dtype=np.float32)
    mapping = ActionMapping(space)
    actions = mapping.convert(ActionTuple(continuous=raw))
    assert all(space.contains(action) for action in actions)
    for column in range(3):
        ordered = actions[np.argsort(raw[:, column]), column]
        assert (np.diff(ordered) >= 0).all()
    ends = mapping.convert(ActionTuple(continuous=np.array([[-1] * 3, [1] * 3, [-3] * 3, [3] * 3])))
    expected = np.array([space.low, space.high, space.low, space.high])
    np.testing.assert_allclose(ends, expected, rtol=1e-6, atol=1e-15 * np.abs(expected).max())


@given(raw=arrays(np.float32, (4, 2), elements=st.floats(-1, 1, width=32)))
def test_a_box_of_minus_one_to_one_takes_actions_unchanged(raw):
    np.testing.assert_array_equal(ActionMapping(box(2)).convert(ActionTuple(continuous=raw)), raw)


def test_integer_boxes_take_the_nearest_integer():
    space = spaces.Box(0, 10, (1,), np.int32)
    actions = ActionMapping(space).convert(ActionTuple(continuous=np.array([[-1], [0.09], [0.11], [1]])))
    assert (actions.dtype, actions.ravel().tolist()) == (np.int32, [0, 5, 6, 10])


def test_a_box_of_flags_is_true_above_the_middle():
    space = spaces.Box(0, 1, (5,), np.bool_)
    actions = ActionMapping(space).convert(ActionTuple(continuous=np.array([[-1, -0.5, -0.01, 0.01, 1]])))
    assert (actions.dtype, actions[0].tolist()) == (np.bool_, [False, False, False, True, True])


def test_unbounded_dimensions_take_actions_unchanged_and_say_so_once(caplog):
    space = spaces.Box(np.array([-np.inf, -2, 0]), np.array([np.inf, 2, np.inf]), dtype=np.float64)
    with caplog.at_level(logging.WARNING):
        mapping = ActionMapping(space)
        ActionMapping(space_from(describe(space)))  # as of a policy that plays in the environment
    assert caplog.text.count("2 of 3 dimensions are unbounded") == 1
    actions = mapping.convert(ActionTuple(continuous=np.array([[5.0, 5.0, 5.0], [-5.0, -0.5, -5.0]])))
    np.testing.assert_array_equal(actions, [[5, 2, 5], [-5, -1, 0]])


def test_bounded_spaces_warn_of_nothing(caplog):
    with caplog.at_level(logging.WARNING):
        ActionMapping(box(3))
    assert not caplog.records


def test_branches_start_at_zero_whatever_the_space_starts_at():
    mapping = ActionMapping(spaces.MultiDiscrete([2, 3], start=[0, 5]))
    assert mapping.convert(ActionTuple(discrete=np.array([[1, 2]]))).tolist() == [[1, 7]]
    assert ActionMapping(spaces.Discrete(3, start=4)).convert(
        ActionTuple(discrete=np.array([[2], [0]]))
    ).tolist() == [6, 4]


@pytest.mark.parametrize(
    "space",
    [
        spaces.Tuple(()),
        spaces.MultiDiscrete([[2, 2], [3, 3]]),
        spaces.MultiBinary([2, 2]),
        spaces.Text(4),
    ],
)
def test_other_action_spaces_are_refused_by_name(space):
    assert " ".join(str(space).split()) in refused(ActionMapping, space)


@pytest.mark.parametrize("largest", [np.finfo(np.float32).max, np.inf])
def test_bounds_that_mean_none_are_none(largest, caplog):
    mapping = ActionMapping(spaces.Box(np.float32(-largest), np.float32(largest), (1,), np.float32))
    action = ActionTuple(np.array([[0.25]], np.float32), np.zeros((1, 0), np.int32))
    assert mapping.convert(action) == 0.25
    assert "lies in [-1, 1]" in caplog.text


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, 10.0]), dtype=np.float64),
        spaces.Box(-np.inf, np.inf, (2, 2), np.float32),
        spaces.Discrete(4, start=3),
        spaces.MultiDiscrete([2, 5]),
        spaces.MultiBinary(3),
        spaces.Tuple((spaces.Discrete(4, start=3), spaces.Box(-2.0, 9.0, (2,), np.float32))),
        spaces.Dict(
            go=spaces.Tuple((box(1), spaces.MultiDiscrete([2, 5]))), at=spaces.Box(0, 7, (3,), np.int64)
        ),
    ],
    ids=str,
)
def test_actions_of_an_environment_are_inverted(space: spaces.Space) -> None:
    space.seed(0)
    single, mapping = [space.sample() for _ in range(20)], ActionMapping(space)
    actions = concatenate(space, single, create_empty_array(space, 20))
    given = mapping.invert(actions)
    assert given.continuous.shape == (20, mapping.spec.continuous_size)
    assert given.discrete.shape == (20, mapping.spec.discrete_size)
    for found, expected in zip(mapping.convert_each(given), single, strict=True):
        assert space.contains(found)
        np.testing.assert_allclose(flatten(space, found), flatten(space, expected), rtol=1e-5, atol=1e-5)
