"""A game of turns: who moves second asks for its first decision after the reset."""

from typing import Any

import numpy as np
from gymnasium import spaces


class Turns:
    """Players move one after the other, and each gets its number + 1 for its own move.

    Args:
        roles: whether the two players have a role each.
        rounds: moves of a game; 0 draws 2 to 6.
        late: games in which the first player is alone, before the second one comes.
        players: their names, instead of two.
    """

    def __init__(
        self, roles: bool = False, rounds: int = 0, late: int = 0, players: tuple[str, ...] = ()
    ) -> None:
        names = ("white_0", "black_0") if roles else ("player_0", "player_1")
        self.possible_agents, self.rounds, self.late = tuple(players) or names, rounds, late
        self.games, self.rng = 0, np.random.default_rng()

    def observation_space(self, agent: str) -> spaces.Space:
        mask = spaces.MultiBinary(2)
        return spaces.Dict({"observation": spaces.Box(0.0, 9.0, (1,), np.float32), "action_mask": mask})

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(2)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.agents = list(self.possible_agents[:1] if self.games < self.late else self.possible_agents)
        self.games += 1
        self.time, self.length = 0, self.rounds or int(self.rng.integers(2, 7))
        return self._seen(self.agents), {}

    def step(self, actions: dict[str, Any]) -> Any:
        there = self.agents
        rewards = {agent: float(i + 1) * (self.time % len(there) == i) for i, agent in enumerate(there)}
        self.time += 1
        over = self.time == self.length
        self.agents = [] if over else there
        return self._seen(there), rewards, dict.fromkeys(there, over), dict.fromkeys(there, False), {}

    def _seen(self, there: list[str]) -> dict[str, Any]:
        look, on_turn = np.array([self.time], np.float32), self.time % len(there)
        return {
            agent: {"observation": look, "action_mask": np.full(2, i == on_turn, np.int8)}
            for i, agent in enumerate(there)
        }

    def close(self) -> None:
        """There is nothing to close."""


parallel_env = Turns
