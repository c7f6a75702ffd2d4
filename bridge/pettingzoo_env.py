"""The agents of several behaviors and teams as a PettingZoo parallel environment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from gymnasium import Space
from mlagents_envs.base_env import BaseEnv

from bridge.gym_spaces import Actions, Observations, Several
from bridge.start import over_player, take_seed
from bridge.turns import LIMIT, Turns, check_turns
from gym_adapters.commands import install_command
from gym_adapters.errors import UserError
from gym_adapters.masks import ACTION_MASK
from gym_adapters.teams import parts_of

try:
    from pettingzoo import ParallelEnv
except ImportError as error:
    raise UserError(f"bridge.parallel_env needs PettingZoo; run: {install_command('pettingzoo')}") from error


class UnityParallelEnv(ParallelEnv):
    """The agents of a `BaseEnv`, by name: `Striker_0`, or `SoccerTwos_team1_0` where a behavior has several teams.

    A step is a turn (see `bridge.turns.Turns`). An agent whose episode ends leaves `agents`. The one that Unity puts in
    its place does nothing and is not shown until `reset`, which begins new episodes for all: PettingZoo's episode is
    over when all agents have left. Agents that come later join `agents` if there is a place for them.

    `infos[agent]` has `agent_id`; `action_mask`, which `action_space(agent).sample` takes as `mask`, if there are
    discrete actions (beside continuous ones `(None, action_mask)`); and `group_reward`, unless it is in the reward.

    Args:
        env: The environment, which is reset, and closed by `close`.
        behaviors: Names or ids of behaviors to wait for, or one; None means all that ask in the first step.
        places: The number of places of each behavior id; None means as many as agents ask first.
        observations: Whether several observations are a `"dict"` by sensor, or a `"tuple"`.
        add_group_rewards: Whether the reward is the agent's own plus its group's.
        limit: Steps of the environment that a step may last.

    Raises:
        UserError: There is no such behavior, more agents than places, or agents do not ask.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "bridge/Unity-v0",
        "render_modes": [],
        "is_parallelizable": True,
    }
    render_mode = None

    def __init__(
        self,
        env: BaseEnv,
        behaviors: Sequence[str] | str | None = None,
        places: int | None = None,
        *,
        observations: Several = "dict",
        add_group_rewards: bool = True,
        limit: int = LIMIT,
    ) -> None:
        self._add_group_rewards = add_group_rewards
        advice = "; pass a larger places"
        self._turns = Turns(env, behaviors, places, limit=limit, advice=advice)
        self._observations, self._actions, self._names = {}, {}, {}
        self._left: dict[str, np.ndarray] = {}
        teams = [parts_of(name)[0] for name in self._turns.seats]
        for name, seats in self._turns.seats.items():
            self._observations[name] = Observations(seats.spec, seats.dtypes, observations)
            self._actions[name] = Actions(name, seats.spec.action_spec)
            behavior, team = parts_of(name)
            role = f"{behavior}_team{team}" if teams.count(behavior) > 1 else behavior
            self._names[name] = [f"{role}_{seat}" for seat in range(seats.count)]
            self._left[name] = np.zeros(seats.count, bool)
        self.possible_agents = [agent for names in self._names.values() for agent in names]
        self.agents: list[str] = []
        self.observation_spaces = {
            agent: self._observations[name].space for name, names in self._names.items() for agent in names
        }
        self.action_spaces = {
            agent: Actions(name, self._turns.seats[name].spec.action_spec).space
            for name, names in self._names.items()
            for agent in names
        }

    def observation_space(self, agent: str) -> Space:
        """Return the space of an agent's observations."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space:
        """Return the space of an agent's actions, which has random numbers of its own."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin new episodes for all agents. The environment has taken its seed at its start."""
        take_seed(self._turns.env, seed)
        self._turns.reset()
        for left in self._left.values():
            left[:] = False
        observations, _, _, _, infos = self._results(dict.fromkeys(self._names, ()))
        return observations, infos

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Take a turn.

        Args:
            actions: One for each of `agents`, in the form of its space.

        Raises:
            UserError: An agent has no action, or one that does not fit; or as the constructor.
        """
        if not self.agents:
            return {}, {}, {}, {}, {}
        acting = {name: np.flatnonzero(seats.shown).tolist() for name, seats in self._turns.seats.items()}
        self._turns.step(
            {name: self._rows(name, seats, actions) for name, seats in acting.items()}, further=False
        )
        return self._results(acting)

    def render(self) -> None:
        """Draw nothing: a player draws its own window."""

    def close(self) -> None:
        """Close the environment."""
        self._turns.env.close()

    def _rows(self, name: str, acting: Sequence[int], actions: dict[str, Any]) -> Any:
        """Return one row per seat; those that do not act have zeros."""
        spec = self._turns.seats[name].spec.action_spec
        rows = spec.empty_action(self._turns.seats[name].count)
        missing = [self._names[name][seat] for seat in acting if self._names[name][seat] not in actions]
        if missing:
            raise UserError(f"agent {missing[0]} has no action; give one for each of env.agents")
        for seat in acting:
            row = self._actions[name].row(actions[self._names[name][seat]])
            rows.continuous[seat], rows.discrete[seat] = row.continuous[0], row.discrete[0]
        return rows

    def _results(self, acting: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Return what those see who acted and those who are new, and list the living agents."""
        self.agents = []
        observations, rewards, terminated, truncated, infos = {}, {}, {}, {}, {}
        for name, seats in self._turns.seats.items():
            self._left[name] |= seats.ended
            batches = seats.show(self._left[name])
            earned = seats.reward + seats.group_reward * self._add_group_rewards
            allowed = seats.allowed()
            for seat in np.union1d(acting[name], np.flatnonzero(seats.shown)).astype(int).tolist():
                agent, ended = self._names[name][seat], bool(seats.ended[seat])
                observations[agent] = self._observations[name].of([batch[seat] for batch in batches])
                rewards[agent] = float(earned[seat])
                terminated[agent], truncated[agent] = (
                    bool(seats.terminated[seat]),
                    bool(seats.truncated[seat]),
                )
                info: dict[str, Any] = {"agent_id": int((seats.last_agent if ended else seats.agent)[seat])}
                if seats.spec.action_spec.discrete_size:
                    info[ACTION_MASK] = self._actions[name].masks(allowed[seat])
                if not self._add_group_rewards:
                    info["group_reward"] = float(seats.group_reward[seat])
                infos[agent] = info
                if not ended:
                    self.agents.append(agent)
        return observations, rewards, terminated, truncated, infos


def parallel_env(
    env_path: str | Path | None = None,
    behaviors: Sequence[str] | str | None = None,
    places: int | None = None,
    **options: Any,
) -> UnityParallelEnv:
    """Start a player, or wait for the Editor.

    The arguments are those of `UnityParallelEnv` and of `bridge.start.start_player`.
    """
    check_turns(behaviors, places, options.get("limit", LIMIT))
    return over_player(UnityParallelEnv, env_path, {"behaviors": behaviors, "places": places, **options})
