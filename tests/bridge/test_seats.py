"""The places of agents that come and go, as `UnityVectorEnv` shows them."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from plans import life, scripted, whole

from bridge import UnityVectorEnv
from gym_adapters import UserError
from tests.trainers.scripted_env import INDEX, LIFE, forbidden


def test_a_new_agent_takes_the_place_that_became_free_first() -> None:
    env, _ = scripted([life(7, 0, 2), life(5, 0, 1), whole(6, 9), life(9, 1, 9), life(8, 2, 9)])
    vector = UnityVectorEnv(env)
    _, infos = vector.reset()
    assert infos["agent_id"].tolist() == [5, 6, 7]
    *_, infos = vector.step(vector.action_space.sample())
    assert infos["agent_id"].tolist() == [9, 6, 7]
    *_, infos = vector.step(vector.action_space.sample())
    assert infos["agent_id"].tolist() == [9, 6, 8]


def test_places_are_taken_in_the_order_in_which_they_became_free() -> None:
    env, _ = scripted([life(0, 0, 2), life(1, 0, 1), whole(2, 9), life(3, 3, 9), life(4, 4, 9)])
    vector = UnityVectorEnv(env)
    vector.reset()
    for expected in ([0, -1, 2], [-1, -1, 2], [-1, 3, 2], [4, 3, 2]):
        *_, infos = vector.step(vector.action_space.sample())
        assert infos["agent_id"].tolist() == expected


def test_an_agent_that_comes_again_takes_another_place_if_its_own_is_taken() -> None:
    env, _ = scripted([life(5, 0, 1), life(7, 0, 2), life(9, 1, 9), life(5, 2, 9)])
    vector = UnityVectorEnv(env)
    vector.reset()
    for expected in ([9, 7], [9, 5]):
        *_, infos = vector.step(vector.action_space.sample())
        assert infos["agent_id"].tolist() == expected


def test_agents_that_come_and_go_within_a_step_do_nothing_and_do_not_count() -> None:
    """The step lasts from 0 to 4. Places 1 and 2 see several agents, of which only the first ones have been shown."""
    shown = [whole(0, 99, every=4), life(1, 0, 1), life(2, 0, 4, every=4)]
    env, behavior = scripted([*shown, life(3, 1, 2), life(4, 2, 3), life(5, 4, 9)])
    vector = UnityVectorEnv(env)
    vector.reset()
    ones = np.ones((3, 2), np.float32), np.ones((3, 2), int)
    _, rewards, terminated, _, infos = vector.step(ones)
    assert infos["agent_id"].tolist() == [0, 5, -1]
    assert terminated.tolist() == [False, True, True]
    assert rewards.tolist() == [4, 1, 4]
    assert [last[LIFE] for last in infos["final_obs"][1:]] == [1, 2]
    for who in ((3, 0), (4, 0)):
        assert not behavior.actions[who][0].any()
        assert not behavior.actions[who][1].any()


def test_an_end_of_an_agent_that_was_never_shown_is_no_end() -> None:
    env, _ = scripted([whole(0, 99, every=3), life(1, 1, 2)])
    vector = UnityVectorEnv(env, num_envs=2)
    vector.reset()
    _, rewards, terminated, _, infos = vector.step((np.zeros((2, 2), np.float32), np.zeros((2, 2), int)))
    assert (rewards[1], terminated[1], infos["active"][1]) == (0, False, False)
    assert "final_obs" not in infos


def test_a_place_that_does_not_act_may_choose_anything() -> None:
    env, _ = scripted([whole(0, 9), life(1, 0, 1), life(2, 1, 9)], masked=True)
    assert any(forbidden((2, 0), branch, size).any() for branch, size in enumerate((3, 2)))
    vector = UnityVectorEnv(env, autoreset_mode="NextStep")
    _, infos = vector.reset()
    choices = np.stack([part.argmax(1) for part in np.split(infos["action_mask"], [3], axis=1)], axis=1)
    *_, infos = vector.step((np.zeros((2, 2), np.float32), choices))
    assert infos["active"].tolist() == [True, False]
    assert infos["action_mask"][1].all()


def test_an_empty_place_is_shown_and_earns_nothing() -> None:
    env, _ = scripted([whole(0, 9), life(1, 0, 2), life(2, 5, 9)])
    vector = UnityVectorEnv(env)
    vector.reset()
    vector.step(vector.action_space.sample())
    observation, rewards, terminated, _, infos = vector.step(vector.action_space.sample())
    assert terminated.tolist() == [False, True]
    assert rewards[1] == 2
    for _ in range(2):
        observation, rewards, terminated, _, infos = vector.step(vector.action_space.sample())
        assert not terminated.any()
        assert (observation[1] == 0).all()
        assert rewards[1] == 0
        assert infos["active"].tolist() == [True, False]
        assert infos["agent_id"].tolist() == [0, -1]
    observation, rewards, *_, infos = vector.step(vector.action_space.sample())
    assert (observation[1, LIFE], rewards[1], infos["active"][1]) == (2, 0, True)


def test_next_step_shows_the_end_first_and_then_the_next_agent() -> None:
    env, behavior = scripted([whole(0, 9), life(1, 0, 2), life(2, 2, 9), life(3, 0, 3), life(4, 4, 9)])
    vector = UnityVectorEnv(env, autoreset_mode="NextStep")
    assert vector.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    vector.reset()
    ones = np.ones((3, 2), np.float32), np.ones((3, 2), int)
    vector.step(ones)
    observation, rewards, terminated, _, infos = vector.step(ones)
    assert "final_obs" not in infos
    assert terminated.tolist() == [False, True, False]
    assert observation[1, [LIFE, INDEX]].tolist() == [1, 2]  # its own last observation
    assert infos["active"].tolist() == [True, False, True]
    observation, rewards, terminated, _, infos = vector.step(ones)
    assert terminated.tolist() == [False, False, True]
    assert observation[1, [LIFE, INDEX]].tolist() == [2, 1]  # it has asked once without being shown
    assert rewards[1] == 0
    assert (behavior.actions[2, 0][0] == 0).all()
    assert (behavior.actions[2, 0][1] == 0).all()
    observation, rewards, terminated, _, infos = vector.step(ones)
    assert observation[2, [LIFE, INDEX]].tolist() == [4, 0]  # it came one step later, so nothing is lost
    assert rewards.tolist() == [4, 4, 0]
    assert (behavior.actions[2, 1][0] == 1).all()


def test_more_agents_than_places_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"behavior Crowd: 3 agents live .*, and places are 2; pass a larger num_envs"
    ):
        UnityVectorEnv(scripted([whole(i, 9) for i in range(3)])[0], num_envs=2)


def test_the_number_of_places_is_named_where_none_was_asked_for() -> None:
    env, _ = scripted([whole(0, 9), whole(1, 9), life(2, 1, 9)])
    vector = UnityVectorEnv(env)
    vector.reset()
    with pytest.raises(UserError, match=r"3 agents live .*, and places are 2; pass a larger num_envs$"):
        vector.step(vector.action_space.sample())


def test_an_agent_may_have_any_id_that_a_player_sends() -> None:
    """An empty place is told as -1; the agent of that id is one like the others."""
    least, most = -(2**31), 2**31 - 1
    env, behavior = scripted([whole(least, 9), life(-1, 0, 2), life(most, 0, 1), life(-1, 3, 9)])
    vector = UnityVectorEnv(env, num_envs=4)
    observation, infos = vector.reset()
    assert infos["active"].tolist() == [True, True, True, False]
    assert infos["agent_id"].tolist() == [least, -1, most, -1]
    assert not observation[3].any()
    ones = np.ones((4, 2), np.float32), np.ones((4, 2), int)
    seen = []
    for _ in range(4):
        _, rewards, terminated, _, infos = vector.step(ones)
        seen.append((infos["active"].tolist(), np.flatnonzero(terminated).tolist(), rewards.tolist()))
    assert seen == [
        ([True, True, False, False], [2], [1, 1, 1, 0]),
        ([True, False, False, False], [1], [2, 2, 0, 0]),
        ([True, True, False, False], [], [3, 0, 0, 0]),
        ([True, True, False, False], [], [4, 4, 0, 0]),
    ]
    assert all((behavior.actions[who, 0][0] == 1).all() for who in range(3))
