"""PettingZoo's own environments keep the contract, and cycles do what its conversion does."""

import importlib

import numpy as np
import pytest
from needs import PETTINGZOO

from gym_adapters import check_env, make_env
from gym_adapters.cycles import Cycles, direct


@PETTINGZOO
@pytest.mark.parametrize(
    "env_id", ["mpe2/simple_spread_v3", "mpe2/simple_tag_v3", "pettingzoo.classic/tictactoe_v3"]
)
def test_pettingzoo_s_own_environments_keep_the_contract(env_id: str) -> None:
    env = make_env(env_id, num_envs=2)
    check_env(env, steps=40)
    env.close()


@PETTINGZOO
@pytest.mark.parametrize("name", ["simple_spread_v3", "simple_tag_v3", "simple_speaker_listener_v4"])
def test_cycles_do_what_pettingzoo_s_conversion_does(name: str) -> None:
    made = importlib.import_module(f"mpe2.{name}")
    theirs, ours = made.parallel_env(), direct(made.parallel_env())
    assert isinstance(ours, Cycles)
    random = np.random.default_rng(0)
    for episode in range(3):
        seed = 7 if episode == 0 else None
        both = theirs.reset(seed=seed), ours.reset(seed=seed)
        while True:
            first, second = both
            for one, other in zip(first, second, strict=True):
                assert one.keys() == other.keys()
                for agent in one:
                    np.testing.assert_array_equal(one[agent], other[agent])
            assert theirs.agents == ours.agents
            if not theirs.agents:
                break
            actions = {agent: int(random.integers(ours.action_space(agent).n)) for agent in theirs.agents}
            both = theirs.step(actions), ours.step(actions)
