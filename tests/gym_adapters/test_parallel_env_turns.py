"""PettingZoo environments whose agents take turns: when they ask, and which decision a reward pays for."""

from typing import Any

import numpy as np
from gymnasium import spaces

from gym_adapters import check_env
from gym_adapters.parallel_env import ParallelEnvAdapter


class Duel:
    """Two agents move in turns, three times each. With each move, the first one earns 1 and the second one loses 1."""

    possible_agents = ("duellist_0", "duellist_1")

    def observation_space(self, agent: str) -> spaces.Space:
        seen = spaces.Box(0.0, 6.0, (1,), np.float32)
        return spaces.Dict({"observation": seen, "action_mask": spaces.MultiBinary(2)})

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(2)

    def _seen(self) -> dict[str, Any]:
        return {
            agent: {
                "observation": np.array([self.time], np.float32),
                "action_mask": np.full(2, self.time % 2 == number, np.int8),
            }
            for number, agent in enumerate(self.possible_agents)
        }

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.time, self.agents = 0, list(self.possible_agents)
        return self._seen(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> Any:
        self.time += 1
        over, everyone = self.time == 6, self.possible_agents
        self.agents = [] if over else self.agents
        rewards = dict(zip(everyone, (1.0, -1.0), strict=True))
        ends = dict.fromkeys(everyone, over), dict.fromkeys(everyone, False)
        return self._seen(), rewards, *ends, {agent: {} for agent in everyone}

    def close(self) -> None:
        pass


def test_the_contract_is_kept() -> None:
    check_env(ParallelEnvAdapter(Duel, 3, "duel_v0"), steps=40)


def test_a_reward_pays_for_the_decision_before() -> None:
    """What the second agent loses before its first move pays for none of its decisions."""
    env = ParallelEnvAdapter(Duel, 1, "duel_v0")
    env.reset()
    rewards: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(7):
        for steps in env.get_steps("duel_v0"):
            for agent, reward in zip(steps.agent_id.tolist(), steps.reward.tolist(), strict=True):
                rewards.setdefault(agent, []).append(reward)
        env.step()
    assert rewards == {0: [0.0, 2.0, 2.0, 2.0], 1: [0.0, -2.0, -2.0, -1.0], 2: [0.0]}
