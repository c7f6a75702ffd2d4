"""The scripted environment keeps the contract that it is used to test."""

import pytest
from scripted_env import Behavior, Life, ScriptedEnv, Visit, crowd, make_spec

from gym_adapters.check import check_env

PLAN = [
    Life(7, (Visit(0), Visit(2, 1.0)), Visit(3, 5.0)),
    Life(7, (Visit(3), Visit(4, 2.0), Visit(9, 3.0)), Visit(10), interrupted=True),
    Life(3, (Visit(1),)),
]


@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.parametrize(("continuous", "branches"), [(2, ()), (0, (3, 2)), (1, (4,))])
def test_scripted_env_keeps_the_contract(continuous, branches, interrupted):
    spec = make_spec((4,), continuous=continuous, branches=branches)
    lives = crowd(5, 30, 4, interrupted=interrupted)
    lives = [
        Life(life.agent, (Visit(life.visits[0].step), *life.visits[1:]), life.ending, life.interrupted)
        for life in lives
    ]
    env = ScriptedEnv(
        {
            "First": Behavior(spec, lives, masked=bool(branches)),
            "Second?team=1": Behavior(spec, PLAN),
        }
    )
    check_env(env, steps=40)


def test_scripted_env_follows_its_plan():
    env = ScriptedEnv({"Test": Behavior(make_spec((3,), continuous=1), PLAN)})
    seen = []
    env.reset()
    for _ in range(12):
        decision, terminal = env.get_steps("Test")
        seen.append(
            (
                dict(zip(decision.agent_id.tolist(), decision.reward.tolist(), strict=True)),
                dict(zip(terminal.agent_id.tolist(), terminal.reward.tolist(), strict=True)),
            )
        )
        env.step()
    assert seen[:5] == [({7: 0.0}, {}), ({3: 0.0}, {}), ({7: 1.0}, {}), ({7: 0.0}, {7: 5.0}), ({7: 2.0}, {})]
    assert seen[5:9] == [({}, {})] * 4
    assert seen[9:] == [({7: 3.0}, {}), ({}, {7: 0.0}), ({}, {})]
