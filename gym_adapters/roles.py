"""The roles of a PettingZoo environment: agents that share a behavior, and what they observe in a step."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from gymnasium import Space, spaces
from mlagents_envs.base_env import ActionTuple, BehaviorSpec, DecisionSteps, TerminalSteps

from gym_adapters.action_spaces import ActionMapping
from gym_adapters.errors import UserError, raised
from gym_adapters.masks import ACTION_MASK, OBSERVATION, branches_of, by_branch, flat_mask
from gym_adapters.spaces import ObservationMapping
from gym_adapters.teams import TEAM
from gym_adapters.values import described

TEAMS, BEHAVIORS = "teams", "behaviors"
"""The options that make teams of agents, and that give them behaviors. They are the adapter's own, as `grouped` is."""


class Role:
    """Agents that share a behavior: their spaces are equal, and so are their names but for the number at the end.

    Args:
        name: The behavior.
        agents: Names of the agents.
        observation_space: The space of one agent's observation; with an action mask in it, a `Dict` of both.
        action_space: The space of one agent's action.

    Attributes:
        masked: Whether the mask is a part of the observation.
        spec: Observations and actions of the behavior.
        idle: The action of an agent for which none was set.
    """

    def __init__(self, name: str, agents: list[str], observation_space: Space, action_space: Space) -> None:
        self.name, self.agents = name, agents
        self._where = f"behavior {name}"
        self.masked = isinstance(observation_space, spaces.Dict) and ACTION_MASK in observation_space.spaces
        if self.masked and isinstance(observation_space, spaces.Dict):
            rest = {key: part for key, part in observation_space.spaces.items() if key != ACTION_MASK}
            observation_space = rest[OBSERVATION] if set(rest) == {OBSERVATION} else spaces.Dict(rest)
            self._keys = None if set(rest) == {OBSERVATION} else list(rest)
        self.observations = ObservationMapping(observation_space, name)
        self.actions = ActionMapping(action_space)
        self.branches = branches_of(action_space)
        self._starts = np.cumsum([0, *(self.branches or ())])[:-1]
        self.spec = BehaviorSpec(self.observations.specs, self.actions.spec)
        self.idle = self.converted(self.actions.spec.empty_action(1))[0]

    def observation(self, given: Any) -> Any:
        """Return an agent's observation without its mask.

        Raises:
            UserError: It is no dictionary, or lacks a part.
        """
        if not self.masked:
            return given
        if self._keys is None:
            return self._part(given, OBSERVATION)
        return {key: self._part(given, key) for key in self._keys}

    def converted(self, action: ActionTuple) -> list[Any]:
        """Return actions in the form of the environment; those of a `Discrete` space are whole numbers."""
        if isinstance(self.actions.space, spaces.Discrete):
            whole: list[Any] = self.actions.convert(action).tolist()
            return whole
        return self.actions.convert_each(action)

    def is_idle(self, forbidden: np.ndarray) -> bool:
        """Whether a mask leaves no action in some branch, as for those who are not on turn."""
        return bool(np.logical_and.reduceat(forbidden, self._starts).any())

    def forbidden(self, given: Any, info: Any) -> np.ndarray | None:
        """Return an agent's mask with True = forbidden, (sum of branch sizes,); None without one."""
        mask = self._part(given, ACTION_MASK) if self.masked else info.get(ACTION_MASK)
        if mask is None or self.branches is None:
            return None
        found: np.ndarray = flat_mask(mask, self.branches, self._where) == 0
        return found

    def _part(self, given: Any, key: str) -> Any:
        if not isinstance(given, Mapping) or key not in given:
            came = f"a dictionary without {key!r}" if isinstance(given, Mapping) else described(given)
            raise UserError(
                f"{self._where}: an observation is {came}; expected a dictionary with {key!r}, as its "
                "observation_space says; change one of the two"
            )
        return given[key]


class Rows:
    """What one role's agents observe in a step: those that decide, or those whose episode ended."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.observations: list[Any] = []
        self.rewards: list[float] = []
        self.group_rewards: list[float] = []
        self.groups: list[int] = []
        self.interrupted: list[bool] = []
        self.masks: list[np.ndarray | None] = []

    def add(self, agent_id: int, observation: Any, reward: float, group_reward: float, group: int) -> None:
        """Add what one agent observes and has received since its last decision."""
        self.ids.append(agent_id)
        self.observations.append(observation)
        self.rewards.append(reward)
        self.group_rewards.append(group_reward)
        self.groups.append(group)


def find_roles(
    env: Any, name: str, teams: bool | Mapping[str, int], behaviors: Mapping[str, str]
) -> dict[str, Role]:
    """Returns the roles of an environment by behavior: agents of equal spaces and of equal names but for a number.

    Keys of a map are names of agents, or what is left of them without the number at the end.

    Args:
        env: A PettingZoo environment.
        name: Its name, which is the behavior's if all agents have one role.
        teams: Whether the agents compete. If there are several roles, each is a team; otherwise each behavior is one,
            or each agent if there is one behavior. A map gives the numbers of the teams. The behaviors are then named
            `Name?team=0`, `Name?team=1` and so on, as in ML-Agents.
        behaviors: Those of agents that are not to have that of their role.

    Raises:
        UserError: It has no list of names of all agents, or has not two spaces for each, or one that is not supported;
            a map does not fit the agents, or gives one behavior to agents of different spaces.
    """
    where = f"environment {name}"
    agents = _names(getattr(env, "possible_agents", None), where)
    spaces_of = {agent: _spaces(env, agent, where) for agent in agents}
    members = _members(agents, spaces_of)
    if len(members) == 1:
        members = {name: agents}
    role_of = {agent: role for role, known in members.items() for agent in known}
    behavior_of = role_of | _named(BEHAVIORS, behaviors, agents)
    if isinstance(teams, Mapping):
        team_of = _named(TEAMS, teams, agents)
        if without := [agent for agent in agents if agent not in team_of]:
            raise UserError(f"env_options.{TEAMS}: gives {without[0]!r} no team; add it")
    else:
        sides = role_of if len(members) > 1 else behavior_of
        sides = sides if len(set(sides.values())) > 1 else dict(zip(agents, agents, strict=True))
        numbers = {
            side: number for number, side in enumerate(dict.fromkeys(sides[agent] for agent in agents))
        }
        team_of = {agent: numbers[side] for agent, side in sides.items()}
    found: dict[str, list[str]] = {}
    firsts: dict[str, str] = {}
    for agent in sorted(agents, key=lambda one: team_of[one]) if teams else agents:
        behavior = behavior_of[agent]
        first = firsts.setdefault(behavior, agent)
        if spaces_of[first] != spaces_of[agent]:
            raise UserError(
                f"env_options.{BEHAVIORS}: {first!r} and {agent!r} cannot both be {behavior!r}, since their spaces "
                "differ; give them behaviors of their own"
            )
        found.setdefault(f"{behavior}{TEAM}{team_of[agent]}" if teams else behavior, []).append(agent)
    return {role: Role(role, known, *spaces_of[known[0]]) for role, known in found.items()}


Chosen = TypeVar("Chosen", str, int)


def _named(option: str, chosen: Mapping[str, Chosen], agents: Sequence[str]) -> dict[str, Chosen]:
    """Return what a map chooses for agents, by agent. An agent's whole name counts more than what is left of it.

    Raises:
        UserError: A key names no agent.
    """
    stems: dict[str, str] = {agent: _stem(agent) for agent in agents}
    if unknown := chosen.keys() - stems.keys() - set(stems.values()):
        known = ", ".join(dict.fromkeys([*stems.values(), *agents]))
        raise UserError(f"env_options.{option}: there is no agent {min(unknown)!r}; expected {known:.300}")
    keys = {agent: agent if agent in chosen else stem for agent, stem in stems.items()}
    return {agent: chosen[key] for agent, key in keys.items() if key in chosen}


def _stem(agent: str) -> str:
    """Return an agent's name without the number at its end."""
    return agent.rstrip("0123456789").rstrip("_- ") or agent


def _members(agents: Sequence[str], spaces_of: Mapping[str, tuple[Space, Space]]) -> dict[str, list[str]]:
    """Return the agents of each role. Later roles of one name, whose spaces differ, have a number after it."""
    members: dict[str, list[str]] = {}
    roles: dict[str, list[str]] = {}
    for agent in agents:
        stem = _stem(agent)
        alike = roles.setdefault(stem, [])
        role = next((role for role in alike if spaces_of[members[role][0]] == spaces_of[agent]), None)
        if role is None:
            numbered = (f"{stem} {number}" for number in itertools.count(2))
            role = next(name for name in itertools.chain([stem], numbered) if name not in members)
            alike.append(role)
            members[role] = []
        members[role].append(agent)
    return members


def _names(agents: Any, where: str) -> list[str]:
    is_list = isinstance(agents, Collection) and not isinstance(agents, str)
    names = list(agents) if is_list else []
    if not names or not all(isinstance(agent, str) and agent for agent in names):
        came = f", got {described(agents)}" if agents is not None else ""
        raise UserError(f"{where}: expected possible_agents, the names of all agents{came}; add them")
    if len(set(names)) < len(names):
        twice = next(agent for agent in names if names.count(agent) > 1)
        raise UserError(f"{where}: possible_agents has {twice!r} twice; give each agent a name of its own")
    return names


def _spaces(env: Any, agent: str, where: str) -> tuple[Space, Space]:
    found = []
    for what in ("observation_space", "action_space"):
        try:
            space = getattr(env, what)(agent)
        except (Exception, SystemExit) as error:
            raise UserError(
                f"{where}: {what}({agent!r}) failed with {raised(error)}; mend its code"
            ) from error
        if not isinstance(space, Space):
            raise UserError(
                f"{where}: {what}({agent!r}) gave {described(space)}; expected a Gymnasium space; change it"
            )
        found.append(space)
    return found[0], found[1]


def decision_steps(role: Role, rows: Rows) -> DecisionSteps:
    """Return the agents of a role that decide."""
    masks = None
    if role.branches is not None and any(mask is not None for mask in rows.masks):
        nothing = np.zeros(sum(role.branches), bool)
        forbidden = np.stack([nothing if mask is None else mask for mask in rows.masks])
        masks = by_branch(forbidden, role.branches)
    return DecisionSteps(
        role.observations.convert_rows(rows.observations),
        np.array(rows.rewards, np.float32),
        np.array(rows.ids, np.int32),
        masks,
        np.array(rows.groups, np.int32),
        np.array(rows.group_rewards, np.float32),
    )


def terminal_steps(role: Role, rows: Rows) -> TerminalSteps:
    """Return the agents of a role whose episode ended."""
    return TerminalSteps(
        role.observations.convert_rows(rows.observations),
        np.array(rows.rewards, np.float32),
        np.array(rows.interrupted, bool),
        np.array(rows.ids, np.int32),
        np.array(rows.groups, np.int32),
        np.array(rows.group_rewards, np.float32),
    )
