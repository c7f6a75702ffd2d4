"""PettingZoo environments whose agents move one after the other in each step, stepped without needless work."""

import importlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from gymnasium import Space


class Cycles:
    """A `ParallelEnv` over an environment whose agents move in cycles.

    It does what PettingZoo's `aec_to_parallel` does, but asks each agent for its observation once in a step, not twice,
    and skips wrappers that only check the order of calls and the bounds of actions. `ParallelEnvAdapter` checks both.

    Args:
        env: A `pettingzoo.AECEnv`.

    Attributes:
        env: The environment without these wrappers.
        metadata: The environment's.
        possible_agents: Names of all agents.
        agents: Names of those whose episode goes on.
    """

    def __init__(self, env: Any) -> None:
        wrappers = importlib.import_module("pettingzoo.utils.wrappers")
        while isinstance(env, (wrappers.OrderEnforcingWrapper, wrappers.AssertOutOfBoundsWrapper)):
            env = env.env
        self.env, self.metadata = env, env.metadata
        self.possible_agents: list[str] = list(env.possible_agents)
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> Space:
        """Returns the space of an agent's observation."""
        space: Space = self.env.observation_space(agent)
        return space

    def action_space(self, agent: str) -> Space:
        """Returns the space of an agent's action."""
        space: Space = self.env.action_space(agent)
        return space

    def reset(self, seed: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begins an episode."""
        env = self.env
        env.reset(seed=seed)
        self.agents = list(env.agents)
        alive = [agent for agent in self.agents if not (env.terminations[agent] or env.truncations[agent])]
        return {agent: env.observe(agent) for agent in alive}, dict(env.infos)

    def step(self, actions: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """Lets every agent move once.

        Raises:
            RuntimeError: An agent was on turn out of order.
        """
        env, rewards = self.env, defaultdict[str, float](float)
        for agent in list(env.agents):
            if agent != env.agent_selection:
                raise RuntimeError(f"expected {agent} to be on turn, got {env.agent_selection}")
            env.step(actions[agent])
            for other in env.agents:
                rewards[other] += env.rewards[other]
        ended = dict(env.terminations), dict(env.truncations), dict(env.infos)
        observations = {agent: env.observe(agent) for agent in env.agents}
        while env.agents and (env.terminations[env.agent_selection] or env.truncations[env.agent_selection]):
            env.step(None)
        self.agents = list(env.agents)
        return observations, dict(rewards), *ended

    def render(self) -> Any:
        """Draws the present state, if the environment was made with a render mode."""
        return self.env.render()

    def close(self) -> None:
        """Closes the environment."""
        self.env.close()


def direct(env: Any) -> Any:
    """Returns `Cycles` over what `aec_to_parallel` converted, and any other environment as it is."""
    conversions = importlib.import_module("pettingzoo.utils.conversions")
    return Cycles(env.aec_env) if type(env) is conversions.aec_to_parallel_wrapper else env
