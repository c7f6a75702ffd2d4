"""Runners and a judge: several roles, masks, turns, ends at different times, and rewards for one or for all."""

from typing import Any

import numpy as np
from gymnasium import spaces

JUDGE = "judge_0"
RUNNERS = ("runner_0", "runner_1", "runner_2")
TEAMS = ("red_0", "red_1", "blue_0")


class Court:
    """Runner 1 stops after two steps, runner 2 is cut off after three, and the rest after four to six.

    The judge is on turn at even times, and may then not choose the last action of its first branch. At even times all
    runners are paid alike.
    """

    def __init__(self, colours: bool = False) -> None:
        self.runners = TEAMS if colours else RUNNERS
        self.possible_agents = [*self.runners, JUDGE]
        self.rng = np.random.default_rng()

    def observation_space(self, agent: str) -> spaces.Space:
        vector = spaces.Box(-10.0, 10.0, (3,), np.float32)
        if agent != JUDGE:
            return vector
        return spaces.Dict({"observation": vector, "action_mask": spaces.MultiBinary(5)})

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.MultiDiscrete([3, 2]) if agent == JUDGE else spaces.Box(-1.0, 1.0, (2,), np.float32)

    def _seen(self) -> dict[str, Any]:
        seen: dict[str, Any] = {agent: self.state[index] for index, agent in enumerate(self.possible_agents)}
        turn = self.time % 2 == 0
        mask = np.array([turn, turn, False, turn, turn], np.int8)
        return {**seen, JUDGE: {"observation": seen[JUDGE], "action_mask": mask}}

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.time, self.agents, self.length = 0, list(self.possible_agents), int(self.rng.integers(4, 7))
        self.state = self.rng.uniform(-1, 1, (4, 3)).astype(np.float32)
        return self._seen(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> Any:
        self.time += 1
        self.state = self.rng.uniform(-1, 1, (4, 3)).astype(np.float32)
        for index, agent in enumerate(self.possible_agents):
            if agent in actions:
                self.state[index, :2] += np.asarray(actions[agent], np.float32)
        before = list(self.agents)
        first, second, third = self.runners
        rewards = {agent: float(self.state[index].sum()) for index, agent in enumerate(self.possible_agents)}
        if self.time % 2 == 0:
            rewards |= dict.fromkeys(self.runners, rewards[first])
        over = self.time == self.length
        terminated = {agent: agent == second and self.time == 2 for agent in before}
        truncated = {agent: over or (agent == third and self.time == 3) for agent in before}
        self.agents = [agent for agent in before if not (terminated[agent] or truncated[agent])]
        seen = self._seen()
        return (
            {agent: seen[agent] for agent in before},
            {agent: rewards[agent] for agent in before},
            terminated,
            truncated,
            {agent: {} for agent in before},
        )

    def close(self) -> None:
        """There is nothing to close."""


parallel_env = Court
