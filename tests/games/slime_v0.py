"""Slime Volleyball (package `slimevb`) as a PettingZoo environment, and its built-in expert as an opponent.

python -m tests.games.slime --run-id slime-0       # the same game, many at once; this one is for evaluation
python -m trainers.evaluate runs/slime-0 --trust --against tests.games.slime_v0:Expert --games 1000
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from mlagents_envs.base_env import ActionTuple, BehaviorSpec, DecisionSteps
from pettingzoo import ParallelEnv
from slime_volleyball.baseline_policy import BaselinePolicy
from slime_volleyball.slimevolley_env import SlimeVolleyEnv

LIVES = 5
"""Points until a game is lost, as in the game of David Ha, whose published scores are for five."""


class SlimeVolley(ParallelEnv):
    """Two agents. A reward is 1 for a point won and -1 for a point lost; both see the field from their own side.

    Args:
        lives: points until a game is lost.
        max_steps: steps until a game is cut.
    """

    metadata: ClassVar[dict[str, Any]] = {"name": "slime_v0"}
    render_mode = None

    def __init__(self, lives: int = LIVES, max_steps: int = 3000) -> None:
        self._env = SlimeVolleyEnv({"max_steps": max_steps})
        self._env.max_lives = lives
        self.possible_agents = ["agent_0", "agent_1"]
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, (12,), np.float32)

    def action_space(self, agent: str) -> spaces.Discrete:
        return spaces.Discrete(len(SlimeVolleyEnv.action_table))

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        observations, _ = self._env.reset(seed)
        self.agents = list(self.possible_agents)
        return _by_agent(observations), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> tuple[dict[str, Any], ...]:
        left, right = actions["agent_0"], actions["agent_1"]
        sides = {"agent_left": int(left), "agent_right": int(right)}
        observations, rewards, terminated, truncated, _ = self._env.step(sides)
        agents = self.agents
        if terminated["__all__"] or truncated["__all__"]:
            self.agents = []
        return (
            _by_agent({side: np.asarray(one["obs"], np.float32) for side, one in observations.items()}),
            _by_agent(rewards),
            _by_agent(terminated),
            _by_agent(truncated),
            {agent: {} for agent in agents},
        )

    def close(self) -> None:
        pass


def parallel_env(**options: Any) -> SlimeVolley:
    """What the adapter calls."""
    return SlimeVolley(**options)


def _by_agent(sides: Mapping[str, Any]) -> dict[str, Any]:
    values = {"agent_0": sides["agent_left"], "agent_1": sides["agent_right"]}
    return {agent: one["obs"] if isinstance(one, dict) else one for agent, one in values.items()}


class Expert:
    """The recurrent network of 120 weights that comes with the game. See `trainers.playback.match.Side`."""

    def __init__(self, specs: Mapping[str, BehaviorSpec], seed: int) -> None:
        self.players: dict[int, BaselinePolicy] = {}

    def act(self, behavior: str, steps: DecisionSteps) -> ActionTuple:
        chosen = np.zeros((len(steps), 1), np.int32)
        for row, (agent, seen) in enumerate(zip(steps.agent_id.tolist(), steps.obs[0], strict=True)):
            forward, backward, jump = self.players.setdefault(agent, BaselinePolicy()).predict(seen)
            if forward == backward:
                forward = backward = 0
            chosen[row] = SlimeVolleyEnv.action_table.index([forward, backward, jump])
        return ActionTuple(np.zeros((len(steps), 0), np.float32), chosen)
