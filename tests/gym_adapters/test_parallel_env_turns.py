"""PettingZoo environments whose agents take turns: when they ask, and which decision a reward pays for."""

from typing import Any

import numpy as np
from gymnasium import spaces

from gym_adapters import check_env
from gym_adapters.parallel_env import ParallelEnvAdapter
from tests.small_games import SmallGame


class Duel(SmallGame):
    """Two agents move in turns, three times each. With each move, the first one earns 1 and the second one loses 1."""

    possible_agents = ("duellist_0", "duellist_1")
    seen = spaces.Dict(
        {"observation": spaces.Box(0.0, 6.0, (1,), np.float32), "action_mask": spaces.MultiBinary(2)}
    )

    def look(self, agent: str) -> dict[str, Any]:
        on_turn = self.time % 2 == self.possible_agents.index(agent)
        return {"observation": np.array([self.time], np.float32), "action_mask": np.full(2, on_turn, np.int8)}

    def pay(self, actions: dict[str, Any]) -> dict[str, float]:
        return dict(zip(self.possible_agents, (1.0, -1.0), strict=True))

    def over(self, agent: str) -> bool:
        return self.time == 6


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
