"""Games as PettingZoo lays them out, from what the agents see, earn, and end by."""

from typing import Any

import numpy as np
from gymnasium import spaces


class SmallGame:
    """All agents see two numbers and choose one of two actions, for ever, until a subclass says other.

    Attributes:
        time: steps since the reset.
    """

    possible_agents: Any = ("player_0", "player_1")
    seen: spaces.Space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    actions: spaces.Space = spaces.Discrete(2)

    def observation_space(self, agent: str) -> Any:
        return self.seen

    def action_space(self, agent: str) -> Any:
        return self.actions

    def look(self, agent: str) -> Any:
        """What an agent sees now."""
        return np.zeros(self.observation_space(agent).shape, np.float32)

    def pay(self, actions: dict[str, Any]) -> dict[str, Any]:
        """What these actions earn; `time` counts the step already."""
        return dict.fromkeys(self.agents, 1.0)

    def over(self, agent: str) -> bool:
        """Whether an agent has come to its end."""
        return False

    def cut_off(self, agent: str) -> bool:
        """Whether an agent's episode ends by a time limit."""
        return False

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.time, self.agents = 0, list(self.possible_agents)
        return {agent: self.look(agent) for agent in self.agents}, {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> Any:
        self.time += 1
        before = self.agents
        rewards = self.pay(actions)
        over, cut_off = ({agent: ends(agent) for agent in before} for ends in (self.over, self.cut_off))
        self.agents = [agent for agent in before if not (over[agent] or cut_off[agent])]
        seen = {agent: self.look(agent) for agent in before}
        return seen, rewards, over, cut_off, {agent: {} for agent in before}

    def close(self) -> None:
        """There is nothing to close."""
