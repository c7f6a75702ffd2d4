"""A game for two that is learned within some thousand decisions, and settings that learn it by self-play."""

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from gym_adapters.parallel_env import ParallelEnvAdapter
from tests.small_games import SmallGame

COPIES = 8


class Duel(SmallGame):
    """Both agents see which of three numbers to name, three times. Who names more of them right wins."""

    actions = spaces.Discrete(3)
    asymmetric = False

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(0.0, 1.0, (3 + (self.asymmetric and agent == "goalie"),), np.float32)

    def look(self, agent: str) -> np.ndarray:
        self.asked[agent] = int(self.random.integers(3))
        return np.eye(*self.observation_space(agent).shape * 2, dtype=np.float32)[self.asked[agent]]

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self.random = np.random.default_rng(seed)
        self.asked, self.points = {}, dict.fromkeys(self.possible_agents, 0)
        return super().reset(seed, options)

    def pay(self, actions: dict[str, Any]) -> dict[str, float]:
        for agent in self.possible_agents:
            self.points[agent] += int(actions[agent]) == self.asked[agent]
        first, second = self.possible_agents
        lead = float(np.sign(self.points[first] - self.points[second])) if self.time == 3 else 0.0
        return {first: lead, second: -lead}

    def over(self, agent: str) -> bool:
        return self.time == 3


class Shootout(Duel):
    """The same with two roles, whose observations differ in size."""

    possible_agents = ("goalie", "striker")
    asymmetric = True


def arena(kind: type[Duel] = Duel, copies: int = COPIES, seed: int = 3) -> ParallelEnvAdapter:
    return ParallelEnvAdapter(kind, copies, "duel_v0", seed, teams=True)


def options(results: Path, steps: int, resume: bool = False, trainer_type: str = "ppo", **play: Any) -> dict:
    hyper = {"ppo": {"buffer_size": 256}, "poca": {"buffer_size": 256}, "sac": {"buffer_init_steps": 64}}[
        trainer_type
    ]
    return {
        "default_settings": {
            "trainer_type": trainer_type,
            "hyperparameters": {"batch_size": 64, "learning_rate": 1e-2, **hyper},
            "network_settings": {"hidden_units": 16, "num_layers": 1},
            "reward_signals": {"extrinsic": {"gamma": 0.9}},
            "max_steps": steps,
            "summary_freq": 500,
            "checkpoint_interval": 500,
            "self_play": {"save_steps": 500, "team_change": 700, "swap_steps": 200, "window": 4, **play},
        },
        "env_settings": {"seed": 5},
        "checkpoint_settings": {"run_id": "duel", "results_dir": str(results), "resume": resume},
    }
