"""Games in which one agent moves in each step: only that one is asked, whatever masks say."""

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from mlagents_envs.base_env import ActionTuple
from needs import PETTINGZOO

from gym_adapters import check_env, make_env
from gym_adapters.parallel_env import ParallelEnvAdapter

MOVES = 5


def tally() -> Any:
    """A game of three without masks: who moves earns its own action, and all the others lose it; five moves."""
    from pettingzoo import AECEnv

    class Tally(AECEnv):
        metadata = {"name": "tally_v0"}  # noqa: RUF012
        possible_agents = ["one_0", "one_1", "one_2"]  # noqa: RUF012
        render_mode = None

        def observation_space(self, agent: str) -> spaces.Space:
            return spaces.MultiDiscrete([MOVES + 1, 3])

        def action_space(self, agent: str) -> spaces.Space:
            return spaces.Discrete(4)

        def observe(self, agent: str) -> Any:
            return np.array([self.moves, self.possible_agents.index(agent)])

        def reset(self, seed: int | None = None, options: Any = None) -> None:
            self.agents, self.moves, self.agent_selection = list(self.possible_agents), 0, "one_0"
            self.rewards = self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
            self.terminations, self.truncations = (dict.fromkeys(self.agents, False) for _ in range(2))
            self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}

        def step(self, action: Any) -> None:
            mover = self.agent_selection
            if self.terminations[mover]:
                self._was_dead_step(action)
                return
            self.moves += 1
            self.rewards = {
                agent: float(action) if agent == mover else -float(action) for agent in self.agents
            }
            self.terminations = dict.fromkeys(self.agents, self.moves == MOVES)
            self.agent_selection = self.agents[self.moves % 3]

    return Tally()


def made(monkeypatch: pytest.MonkeyPatch, copies: int) -> ParallelEnvAdapter:
    module: Any = ModuleType("own_games.tally_v0")
    module.env = tally
    monkeypatch.setitem(sys.modules, "own_games", ModuleType("own_games"))
    monkeypatch.setitem(sys.modules, "own_games.tally_v0", module)
    env = make_env("own_games/tally_v0", copies)
    assert isinstance(env, ParallelEnvAdapter)
    return env


@PETTINGZOO
def test_only_the_agent_on_turn_decides_and_it_is_paid_for_all_since_its_last_move(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = made(monkeypatch, 1)
    env.reset()
    seen = []
    for action in (1, 2, 3, 1, 2):
        decisions, _ = env.get_steps("tally_v0")
        (index,) = decisions.obs[0][0, MOVES + 1 :].nonzero()
        seen.append((index.tolist(), decisions.reward.tolist()))
        env.set_actions("tally_v0", ActionTuple(discrete=np.array([[action]], np.int32)))
        env.step()
    assert seen == [([0], [0.0]), ([1], [0.0]), ([2], [0.0]), ([0], [-4.0]), ([1], [-2.0])]
    _, terminals = env.get_steps("tally_v0")
    order = terminals.obs[0][:, MOVES + 1 :].argmax(1)
    assert terminals.reward[np.argsort(order)].tolist() == [-1.0, 2.0, 0.0]
    assert not terminals.interrupted.any()


@PETTINGZOO
def test_the_contract_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    env = made(monkeypatch, 3)
    check_env(env, steps=40)
    for _ in range(12):
        assert len(env.get_steps("tally_v0")[0]) == 3, "one of each copy"
        env.step()
