"""A game for two that is learned within some thousand decisions, and settings that learn it by self-play."""

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from gym_adapters.parallel_env import ParallelEnvAdapter

COPIES = 8


class Duel:
    """Both agents see which of three numbers to name, three times. Who names more of them right wins."""

    possible_agents: tuple[str, ...] = ("player_0", "player_1")
    asymmetric = False

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(0.0, 1.0, (3 + (self.asymmetric and agent == "goalie"),), np.float32)

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(3)

    def _seen(self) -> dict[str, np.ndarray]:
        self.asked = {agent: int(self.random.integers(3)) for agent in self.possible_agents}
        return {
            agent: np.eye(*self.observation_space(agent).shape * 2, dtype=np.float32)[number]
            for agent, number in self.asked.items()
        }

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self.random = np.random.default_rng(seed)
        self.agents, self.time = list(self.possible_agents), 0
        self.points = dict.fromkeys(self.agents, 0)
        return self._seen(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> Any:
        for agent in self.possible_agents:
            self.points[agent] += int(actions[agent]) == self.asked[agent]
        self.time += 1
        over = self.time == 3
        first, second = self.possible_agents
        lead = float(np.sign(self.points[first] - self.points[second])) if over else 0.0
        self.agents = [] if over else self.agents
        everyone = self.possible_agents
        return (
            self._seen(),
            {first: lead, second: -lead},
            dict.fromkeys(everyone, over),
            dict.fromkeys(everyone, False),
            {agent: {} for agent in everyone},
        )

    def close(self) -> None:
        pass


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
