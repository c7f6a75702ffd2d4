"""MiniGrid's tasks as one-hot vectors."""

import gymnasium
import numpy as np
import pytest
from needs import MINIGRID

from gym_adapters import UserError, check_env, make_env

ID = "gym_adapters.minigrid:Grid-v0"


@MINIGRID
def test_a_vector_says_what_minigrids_own_encoding_says():
    minigrid = pytest.importorskip("minigrid.wrappers")
    task = "MiniGrid-DoorKey-8x8-v0"
    own = minigrid.OneHotPartialObsWrapper(gymnasium.make(task))
    env = gymnasium.make(ID, task=task)
    theirs, _ = own.reset(seed=5)
    found, _ = env.reset(seed=5)
    rng = np.random.default_rng(0)
    for _ in range(60):
        np.testing.assert_array_equal(found[:-4].reshape(7, 7, 20), theirs["image"])
        np.testing.assert_array_equal(found[-4:], np.eye(4)[theirs["direction"]])
        action = int(rng.integers(7))
        theirs, *results, _ = own.step(action)
        found, *others, _ = env.step(action)
        assert results == others


@MINIGRID
def test_it_is_an_environment_like_any_other():
    check_env(make_env(ID, 3, 0, {"task": "MiniGrid-DoorKey-5x5-v0"}))


@MINIGRID
@pytest.mark.parametrize("task", ["CartPole-v1", "MiniGrid-Nowhere-v0", "module:MiniGrid-Empty-5x5-v0"])
def test_other_tasks_are_refused(task):
    with pytest.raises(UserError, match="expected an id of MiniGrid"):
        make_env(ID, 1, 0, {"task": task})


@MINIGRID
def test_the_agent_may_have_the_first_actions_only():
    env = gymnasium.make(ID, task="MiniGrid-MemoryS9-v0", actions=3, agent_view_size=3)
    assert env.action_space == gymnasium.spaces.Discrete(3)
    assert env.observation_space.shape == (3 * 3 * 20 + 4,)


@MINIGRID
@pytest.mark.parametrize("actions", [1, 8, 2.5, "3", True])
def test_other_numbers_of_actions_are_refused(actions):
    with pytest.raises(UserError, match="expected a whole number from 2 to 7"):
        make_env(ID, 1, 0, {"task": "MiniGrid-Empty-5x5-v0", "actions": actions})


@MINIGRID
def test_the_kinds_in_view_follow_the_cells():
    options = {"task": "MiniGrid-MemoryS9-v0", "agent_view_size": 3}
    env, with_kinds = gymnasium.make(ID, **options), gymnasium.make(ID, kinds=True, **options)
    plain, seen = env.reset(seed=3)[0], with_kinds.reset(seed=3)[0]
    rng = np.random.default_rng(0)
    for _ in range(60):
        np.testing.assert_array_equal(seen[:-11], plain)
        np.testing.assert_array_equal(seen[-11:], plain[: 9 * 20].reshape(9, 20)[:, :11].max(0))
        action = int(rng.integers(7))
        (plain, _, done, *_), (seen, *_) = env.step(action), with_kinds.step(action)
        if done:
            plain, seen = env.reset(seed=4)[0], with_kinds.reset(seed=4)[0]


@MINIGRID
@pytest.mark.parametrize("kinds", ["yes", 1, None])
def test_kinds_are_true_or_false(kinds):
    with pytest.raises(UserError, match=f"kinds {kinds}: expected true or false"):
        make_env(ID, 1, 0, {"task": "MiniGrid-Empty-5x5-v0", "kinds": kinds})


@MINIGRID
def test_minigrids_own_observation_trains_too_without_its_mission(caplog):
    env = make_env("minigrid:MiniGrid-Empty-5x5-v0", 2, 0)
    env.reset()
    (spec,) = env.behavior_specs.values()
    assert [part.shape for part in spec.observation_specs] == [(4,), (147,)]
    assert "'mission' is text" in caplog.text
    env.close()
