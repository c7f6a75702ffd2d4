"""A space survives being written into a checkpoint as plain types."""

import json

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from gym_adapters.space_description import describe, space_from

SPACES = [
    spaces.Box(-1.0, 1.0, (3,), np.float32),
    spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, np.inf]), dtype=np.float64),
    spaces.Box(0, 255, (12, 10, 3), np.uint8),
    spaces.Box(-np.inf, np.inf, (), np.float32),
    spaces.Discrete(4),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([3, 2]),
    spaces.MultiDiscrete([[3, 2], [5, 4]]),
    spaces.MultiDiscrete([3, 2], start=[1, -4]),
    spaces.MultiDiscrete([3, 2], dtype=np.int32),
    spaces.MultiDiscrete([3, 2], dtype=np.uint8, start=[1, 4]),
    spaces.MultiBinary(5),
    spaces.MultiBinary([2, 3]),
    spaces.Dict(
        {"b": spaces.Discrete(2), "a": spaces.Tuple([spaces.Box(0, 1, (2,)), spaces.MultiBinary(2)])}
    ),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_space_comes_back_as_it_was(space):
    again = space_from(json.loads(json.dumps(describe(space))))
    assert again == space
    assert again.dtype == space.dtype
    again.seed(0)
    space.seed(0)
    np.testing.assert_equal(again.sample(), space.sample())


class Push(spaces.Box):
    """A space of a class of its own."""


class Moves(spaces.Dict):
    """And one that holds it."""


def test_a_space_of_another_class_comes_back_as_the_one_that_it_is_derived_from():
    given = Moves({"push": Push(-2.0, 2.0, (3,), np.float32), "turn": spaces.Discrete(3)})
    assert space_from(describe(given)) == spaces.Dict(
        {"push": spaces.Box(-2.0, 2.0, (3,), np.float32), "turn": spaces.Discrete(3)}
    )


def test_spaces_without_a_description_are_named():
    with pytest.raises(TypeError, match="Text"):
        describe(spaces.Text(5))
    with pytest.raises(ValueError, match="Sphere"):
        space_from({"kind": "Sphere"})


def test_a_large_box_of_equal_bounds_is_described_in_a_few_numbers():
    pixels = gymnasium.spaces.Box(0, 255, (210, 160, 3), np.uint8)
    assert len(json.dumps(describe(pixels))) < 200
