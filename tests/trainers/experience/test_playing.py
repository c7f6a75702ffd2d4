"""Episodes that are played without learning: which agents' count."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from mlagents_envs.base_env import ActionTuple

from gym_adapters.parallel_env import ParallelEnvAdapter
from trainers.experience.playing import Played, play_all


class Turns:
    """Players move one after the other, `rounds` times in all, and each gets its number + 1 for its own move."""

    def __init__(self, players: Sequence[str], rounds: int) -> None:
        self.possible_agents, self.rounds = tuple(players), rounds

    def observation_space(self, agent: str) -> spaces.Space:
        mask = spaces.MultiBinary(2)
        return spaces.Dict({"observation": spaces.Box(0.0, 9.0, (1,), np.float32), "action_mask": mask})

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(2)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.time, self.agents = 0, list(self.possible_agents)
        return self._seen(), {}

    def step(self, actions: dict[str, Any]) -> Any:
        count, everyone = len(self.possible_agents), self.possible_agents
        rewards = {agent: float(i + 1) * (self.time % count == i) for i, agent in enumerate(everyone)}
        self.time += 1
        over = self.time == self.rounds
        self.agents = [] if over else self.agents
        return self._seen(), rewards, dict.fromkeys(everyone, over), dict.fromkeys(everyone, False), {}

    def _seen(self) -> dict[str, Any]:
        on_turn = self.time % len(self.possible_agents)
        look = np.array([self.time], np.float32)
        return {
            agent: {"observation": look, "action_mask": np.full(2, i == on_turn, np.int8)}
            for i, agent in enumerate(self.possible_agents)
        }

    def close(self) -> None:
        pass


class Zero:
    """Takes action 0."""

    def __init__(self, name: str) -> None:
        self.name = name

    def act(self, observations: Sequence[np.ndarray], *_: Any) -> ActionTuple:
        return ActionTuple(discrete=np.zeros((len(observations[0]), 1), np.int32))

    def forget(self, agents: Any = None) -> None:
        pass


def played(players: Sequence[str], rounds: Sequence[int]) -> dict[str, list[Played]]:
    """One game in each copy; copy i ends after `rounds[i]` moves."""
    left = iter(rounds)
    env = ParallelEnvAdapter(lambda: Turns(players, next(left)), len(rounds), "game_v0")
    return play_all(env, [Zero(name) for name in env.behavior_specs])


@pytest.mark.parametrize("players", [("player_0", "player_1"), ("white_0", "black_0")])
def test_in_a_game_of_turns_every_player_s_first_episode_counts(players: tuple[str, str]) -> None:
    found = played(players, [4, 5, 2, 2])
    episodes = [episode for behavior in found.values() for episode in behavior]
    assert [(one.total, one.length) for one in episodes] == [
        *[(2.0, 2), (3.0, 3), (1.0, 1), (1.0, 1)],
        *[(4.0, 2), (4.0, 2), (2.0, 1), (2.0, 1)],
    ]


def test_a_player_that_never_moves_has_no_episode() -> None:
    found = played(("player_0", "player_1"), [1, 3])["game_v0"]
    assert [(one.total, one.length) for one in found] == [(1.0, 1), (2.0, 2), (2.0, 1)]
