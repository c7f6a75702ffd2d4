"""Tasks that hide a part of their observation."""

import gymnasium
import numpy as np
import pytest

from gym_adapters import UserError, check_env, make_env

ID = "gym_adapters.partial:Partial-v0"


def test_the_rest_of_the_task_is_as_it_was():
    whole, part = gymnasium.make("CartPole-v1"), gymnasium.make(ID, task="CartPole-v1", hidden=[1, 3])
    expected, _ = whole.reset(seed=3)
    found, _ = part.reset(seed=3)
    assert part.observation_space.shape == (2,)
    assert part.action_space == whole.action_space
    for _ in range(200):
        np.testing.assert_array_equal(found, expected[[0, 2]])
        expected, *results, _ = whole.step(1)
        found, *others, _ = part.step(1)
        assert results == others
        if any(results[1:]):
            break
    assert results[1]


def test_it_is_an_environment_like_any_other():
    check_env(make_env(ID, 3, 0, {"task": "MountainCarContinuous-v0", "hidden": [1]}))


@pytest.mark.parametrize("hidden", [[0, 1, 2, 3], [4], [-1]])
def test_other_places_are_refused(hidden):
    with pytest.raises(UserError, match="expected some, but not all, of the places 0 to 3 of CartPole-v1"):
        make_env(ID, 1, 0, {"task": "CartPole-v1", "hidden": hidden})


def test_a_task_that_names_a_module_is_refused():
    with pytest.raises(UserError, match="task some_module:Task-v0: expected a registered Gymnasium id"):
        make_env(ID, 1, 0, {"task": "some_module:Task-v0", "hidden": [0]})


def test_an_observation_that_is_no_vector_is_refused():
    with pytest.raises(UserError, match="expected an observation that is one vector, got Discrete"):
        make_env(ID, 1, 0, {"task": "FrozenLake-v1", "hidden": [0]})
