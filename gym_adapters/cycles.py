"""PettingZoo environments whose agents move one after the other: all of them in each step, or one."""

import importlib
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from gymnasium import Space


class _Wrapper:
    """What `Cycles` and `OneByOne` leave to the environment below.

    Attributes:
        env: The environment.
        metadata: The environment's.
        possible_agents: Names of all agents.
    """

    def __init__(self, env: Any) -> None:
        self.env, self.metadata = env, env.metadata
        self.possible_agents: list[str] = list(env.possible_agents)

    def observation_space(self, agent: str) -> Space:
        """Returns the space of an agent's observation."""
        space: Space = self.env.observation_space(agent)
        return space

    def action_space(self, agent: str) -> Space:
        """Returns the space of an agent's action."""
        space: Space = self.env.action_space(agent)
        return space

    def render(self) -> Any:
        """Draws the present state, if the environment was made with a render mode."""
        return self.env.render()

    def close(self) -> None:
        """Closes the environment."""
        self.env.close()


class Cycles(_Wrapper):
    """A `ParallelEnv` over an environment whose agents move in cycles.

    It does what PettingZoo's `aec_to_parallel` does, but asks each agent for its observation once in a step, not twice,
    and skips wrappers that only check the order of calls and the bounds of actions. `ParallelEnvAdapter` checks both.

    Args:
        env: A `pettingzoo.AECEnv`.

    Attributes:
        agents: Names of those whose episode goes on.
    """

    def __init__(self, env: Any) -> None:
        wrappers = importlib.import_module("pettingzoo.utils.wrappers")
        while isinstance(env, (wrappers.OrderEnforcingWrapper, wrappers.AssertOutOfBoundsWrapper)):
            env = env.env
        super().__init__(env)
        self.agents: list[str] = []

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


class OneByOne(_Wrapper):
    """A `ParallelEnv` in which one agent moves in each step, observed by that agent only.

    PettingZoo's `turn_based_aec_to_parallel` gives the observations of all agents in each step, and takes an action of
    one. So the others would be asked for actions that nobody carries out, unless the game's masks say that they wait.
    Those whose episode has just ended are observed too.

    Args:
        env: What PettingZoo's conversion returned.
    """

    @property
    def agents(self) -> list[str]:
        """Names of those whose episode goes on."""
        return list(self.env.agents)

    def reset(self, seed: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begins an episode."""
        observations, infos = self.env.reset(seed=seed)
        return self._seen(observations, ()), infos

    def step(self, actions: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """Lets the agent move that is on turn."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        over = [agent for agent in observations if terminated[agent] or truncated[agent]]
        return self._seen(observations, over), rewards, terminated, truncated, infos

    def _seen(self, observations: Mapping[str, Any], over: Collection[str]) -> dict[str, Any]:
        on_turn = self.env.aec_env.agent_selection if self.env.agents else None
        return {agent: seen for agent, seen in observations.items() if agent == on_turn or agent in over}


def direct(env: Any) -> Any:
    """Returns `Cycles` or `OneByOne` over what PettingZoo converted, and any other environment as it is."""
    conversions = importlib.import_module("pettingzoo.utils.conversions")
    if type(env) is conversions.turn_based_aec_to_parallel_wrapper:
        return OneByOne(env)
    return Cycles(env.aec_env) if type(env) is conversions.aec_to_parallel_wrapper else env
