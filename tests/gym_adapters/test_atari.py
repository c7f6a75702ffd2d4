"""Atari through ale_py's vector environment is `gymnasium.make_vec`'s, with raw scores."""

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from test_vector_env import assert_same_steps

from gym_adapters import check_env, make_env
from gym_adapters.vector_env import GAME_SCORE

ASSAULT = "ALE/Assault-v5"


def test_steps_equal_gymnasium():
    adapter = make_env(ASSAULT, 4, seed=11)
    reference = gymnasium.make_vec(
        ASSAULT, 4, reward_clipping=False, autoreset_mode=AutoresetMode.SAME_STEP, noop_max=30
    )
    endings = assert_same_steps(adapter, "Assault-v5", reference, seed=11, steps=700)
    assert endings > 0


def test_observations_stay_bytes_and_scores_are_not_clipped():
    env = make_env(ASSAULT, 4)
    (spec,) = env.behavior_specs["Assault-v5"].observation_specs
    assert spec.shape == (4, 84, 84)
    assert env.behavior_specs["Assault-v5"].action_spec.discrete_branches == (7,)
    env.reset()
    rng = np.random.default_rng(0)
    best = 0.0
    for _ in range(150):
        decisions, _ = env.get_steps("Assault-v5")
        assert decisions.obs[0].dtype == np.uint8
        assert decisions.reward.dtype == np.float32
        best = max(best, decisions.reward.max())
        action = env.behavior_specs["Assault-v5"].action_spec.empty_action(4)
        action.discrete[:] = rng.integers(0, 7, (4, 1))
        env.set_actions("Assault-v5", action)
        env.step()
    assert best > 1


def test_frames_are_skipped_once():
    env = make_env(ASSAULT, 1)
    env.vector_env.reset(seed=0)
    frames = [
        int(env.vector_env.step(np.zeros(1, dtype=np.int64))[4]["episode_frame_number"][0]) for _ in range(3)
    ]
    assert np.diff(frames).tolist() == [4, 4]


def test_time_limits_interrupt():
    env = make_env(ASSAULT, 2, options={"max_num_frames_per_episode": 100})
    env.reset()
    for _ in range(60):
        env.step()
        _, terminals = env.get_steps("Assault-v5")
        if len(terminals):
            break
    assert terminals.interrupted.all()
    assert terminals.obs[0].shape == (len(terminals), 4, 84, 84)


def test_the_contract_holds():
    env = make_env(ASSAULT, 3)
    check_env(env, steps=150)
    env.close()


def test_scores_of_whole_games_where_an_episode_is_a_life():
    lives, games = (
        make_env(ASSAULT, 3, seed=5, options=options) for options in ({"life_loss_info": True}, {})
    )
    rng = np.random.default_rng(1)
    returns, scores = np.zeros(3), []
    reported, ends_of_lives = [], 0
    for env in (lives, games):
        env.reset()
    for _ in range(600):
        actions = rng.integers(0, 7, (3, 1))
        for env in (lives, games):
            action = env.behavior_specs["Assault-v5"].action_spec.empty_action(3)
            action.discrete[:] = actions
            env.set_actions("Assault-v5", action)
            env.step()
        decisions, terminals = games.get_steps("Assault-v5")
        earned = decisions.reward.copy()
        earned[terminals.agent_id] = terminals.reward
        returns += earned
        scores += returns[terminals.agent_id].tolist()
        returns[terminals.agent_id] = 0.0
        ends_of_lives += len(lives.get_steps("Assault-v5")[1])
        reported += [(score, way.name) for score, way in lives.take_stats()[GAME_SCORE]]
    assert reported == [(score, "AVERAGE") for score in scores]
    assert ends_of_lives > 3 * len(scores) > 0
    assert games.take_stats() == {}
