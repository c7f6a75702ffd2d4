"""`bridge.parallel_env` against PettingZoo's own test, over plans and over a player with two teams."""

import importlib
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from processes import free_port, write_player

import bridge
from gym_adapters import UserError, check_env, make_env
from gym_adapters.parallel_env import ParallelEnvAdapter
from tests.needs import PETTINGZOO, SHELL
from tests.trainers.scripted_env import Behavior, Life, ScriptedEnv, Visit, make_spec

pytestmark = PETTINGZOO
VECTOR, CHOICE = make_spec((3,), continuous=2), make_spec((3,), branches=(3,))


def lives(*ends: int, interrupted: bool = False) -> list[Life]:
    """Agents that ask in every step; each visit pays 1, and 10 for the group."""
    return [
        Life(i, tuple(Visit(t, 1.0, 0.0, 10.0) for t in range(end)), Visit(end, 1.0, 0.0, 10.0), interrupted)
        for i, end in enumerate(ends)
    ]


def scripted() -> ScriptedEnv:
    return ScriptedEnv(
        {
            "Runner?team=0": Behavior(VECTOR, lives(3, 6)),
            "Runner?team=1": Behavior(VECTOR, lives(6, interrupted=True)),
            "Judge?team=0": Behavior(CHOICE, lives(6), masked=False),
        }
    )


def test_agents_leave_when_their_episode_ends() -> None:
    env = bridge.UnityParallelEnv(scripted())
    assert env.possible_agents == ["Runner_team0_0", "Runner_team0_1", "Runner_team1_0", "Judge_0"]
    env.reset(seed=0)
    returns: Counter[str] = Counter()
    left = {}
    for step in range(1, 7):
        actions = {agent: env.action_space(agent).sample() for agent in env.agents}
        observations, rewards, terminated, truncated, infos = env.step(actions)
        assert (
            set(observations)
            == set(rewards)
            == set(terminated)
            == set(truncated)
            == set(infos)
            == set(actions)
        )
        returns.update(rewards)
        left |= {
            agent: (step, terminated[agent], truncated[agent]) for agent in actions if agent not in env.agents
        }
    assert env.agents == []
    assert left == {
        "Runner_team0_0": (3, True, False),
        "Runner_team0_1": (6, True, False),
        "Runner_team1_0": (6, False, True),
        "Judge_0": (6, True, False),
    }
    assert returns == {"Runner_team0_0": 33, "Runner_team0_1": 66, "Runner_team1_0": 66, "Judge_0": 66}
    assert env.step({}) == ({}, {}, {}, {}, {})


def test_an_agent_without_an_action_is_named() -> None:
    env = bridge.UnityParallelEnv(scripted())
    env.reset()
    with pytest.raises(UserError, match="agent Runner_team0_0 has no action"):
        env.step({})


def test_a_behavior_that_comes_late_is_waited_for_if_it_is_named() -> None:
    late = Life(0, tuple(Visit(step) for step in range(3, 9)))
    plans = {
        "Early": Behavior(VECTOR, [Life(0, tuple(Visit(t) for t in range(9)))]),
        "Late": Behavior(VECTOR, [late]),
    }
    env = bridge.UnityParallelEnv(ScriptedEnv(plans))
    env.reset()
    actions = {"Early_0": np.zeros(2, np.float32)}
    env.step(actions)
    env.step(actions)
    with pytest.raises(UserError, match=r"behavior Late: .* pass behaviors=\['Early', 'Late'\]"):
        env.step(actions)
    assert bridge.UnityParallelEnv(ScriptedEnv(plans), ["Early", "Late"]).possible_agents == [
        "Early_0",
        "Late_0",
    ]


@SHELL
def test_a_player_with_teams_passes_pettingzoos_test(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # PettingZoo's tests import environments the older way
        parallel_api_test = importlib.import_module("pettingzoo.test").parallel_api_test
    player = write_player(
        tmp_path,
        "-m",
        "bridge.player",
        "--env",
        "bridge_games/court_v0",
        "--agents",
        2,
        "--option",
        "teams=true",
    )
    env = bridge.parallel_env(player, base_port=free_port())
    roles = Counter(agent.rpartition("_")[0] for agent in env.possible_agents)
    assert roles == {"runner": 6, "judge": 2}
    parallel_api_test(env, num_cycles=50)
    env.reset()
    observations, *_ = env.step({agent: env.action_space(agent).sample() for agent in env.agents})
    assert all(np.isfinite(part).all() for part in observations.values())
    env.close()


def test_seen_as_a_base_env_again_it_passes_the_check_of_those() -> None:
    def make() -> bridge.UnityParallelEnv:
        return bridge.UnityParallelEnv(make_env("CartPole-v1", 3, 0))

    check_env(ParallelEnvAdapter(make, 2, "Again"), steps=100)
