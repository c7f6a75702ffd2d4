"""Texts in dictionaries of observations are left out."""

import numpy as np
import pytest
from gymnasium import spaces
from small_envs import scripted

from gym_adapters import check_env
from gym_adapters.spaces import ObservationMapping

PLACE = spaces.Box(-1, 1, (2,), np.float32)


class Mission(spaces.Space[str]):
    """A text of a kind of its own, as MiniGrid's missions are."""

    def __init__(self):
        super().__init__(dtype=str)

    def sample(self, mask=None, probability=None):
        return "go to the goal"

    def contains(self, x):
        return isinstance(x, str)


@pytest.mark.parametrize("text", [spaces.Text(40), Mission()], ids=["text", "own kind"])
def test_texts_of_a_dictionary_are_left_out_and_this_is_said_once(text, caplog):
    inner = spaces.Dict(note=spaces.Text(9), steps=spaces.Discrete(3))
    space = spaces.Dict(mission=text, place=PLACE, rest=inner)
    name = f"T{text}"
    mapping = ObservationMapping(space, name)
    ObservationMapping(space, name)
    assert mapping.space == spaces.Dict(place=PLACE, rest=spaces.Dict(steps=spaces.Discrete(3)))
    assert [spec.name for spec in mapping.specs] == ["place", "rest/steps"]
    mission, note = (record.getMessage() for record in caplog.records)
    assert "'mission' is text" in mission
    assert "'rest' 'note' is text" in note
    row = {"mission": "go", "place": np.ones(2, np.float32), "rest": {"note": "x", "steps": 2}}
    place, steps = mapping.convert_rows([row])
    np.testing.assert_array_equal(place, [[1, 1]])
    np.testing.assert_array_equal(steps, [[0, 0, 1]])
    check_env(scripted(space, spaces.Discrete(2)))
