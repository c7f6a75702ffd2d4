"""An episode that ends while others are waited for, in a scene that begins no other one by itself."""

import numpy as np

from bridge import UnityParallelEnv, UnitySingleEnv
from tests.trainers.scripted_env import Behavior, Life, ScriptedEnv, Visit, make_spec

LAST = 5


def scene(*lives: Life) -> ScriptedEnv:
    return ScriptedEnv({"Crowd?team=0": Behavior(make_spec((3,), continuous=2), lives)})


def life(agent: int, asks: tuple[int, ...], end: int) -> Life:
    return Life(agent, tuple(Visit(step, 1.0) for step in asks), Visit(end, 4.0))


def test_the_end_of_the_only_agent_is_told_though_nobody_follows() -> None:
    env = UnitySingleEnv(scene(life(7, (0,), LAST)), limit=20)
    env.reset()
    _, reward, terminated, truncated, _ = env.step(np.zeros(2, np.float32))
    assert (reward, terminated, truncated) == (4.0, True, False)


def test_the_ends_of_the_last_agents_are_told_though_nobody_follows() -> None:
    env = UnityParallelEnv(scene(life(7, (0, 1), 2), life(8, (0, 1), LAST)), limit=20)
    env.reset()
    for _ in range(2):
        agents = list(env.agents)
        _, rewards, terminated, _, _ = env.step({agent: np.zeros(2, np.float32) for agent in agents})
    assert terminated == dict.fromkeys(agents, True)
    assert rewards == dict.fromkeys(agents, 4.0)
    assert env.agents == []
