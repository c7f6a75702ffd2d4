"""Copies of a PettingZoo parallel environment as one `BaseEnv`: many agents, one behavior per role."""

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium import Space
from mlagents_envs.base_env import (
    ActionTuple,
    BaseEnv,
    BehaviorMapping,
    DecisionSteps,
    TerminalSteps,
)
from mlagents_envs.exception import UnityActionException

from gym_adapters.actions import checked_choices
from gym_adapters.checked_copy import CheckedCopy, Told
from gym_adapters.errors import close_all, close_reported
from gym_adapters.roles import Role, Rows, decision_steps, find_roles, terminal_steps


class ParallelEnvAdapter(BaseEnv):
    """Copies of a `pettingzoo.ParallelEnv`, seen through ML-Agents' low-level API.

    An agent whose mask allows nothing, since it is not on turn, asks for no decision. What it earns meanwhile comes
    with its next one; what it earns before its first one pays for none, and is dropped. An agent that ends is in the
    `TerminalSteps` of that step, with its last observation. When all agents of a copy have ended, the copy is reset,
    whether it takes them from its list or not. Its agents are in the `DecisionSteps` of the same step under new ids. An
    agent's id modulo the number of copies is the number of its copy.

    Args:
        make: Makes one copy.
        num_envs: Number of copies.
        name: Name of the environment, and of the behavior if all agents have the same role.
        seed: Copy i is seeded with `seed + i`.
        grouped: Whether the agents of a role in a copy form a group. A reward that all living members receive alike
            then arrives as the group's.
        teams: Whether the agents compete, or their teams (see `find_roles`).
        behaviors: Those of agents that are not to have that of their role (see `find_roles`).

    Attributes:
        roles: The roles by behavior.
        title: What the environment is called in messages: its name.

    Raises:
        UserError: The environment cannot be made, has no fixed list of agents, or a space is not supported.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        num_envs: int,
        name: str,
        seed: int = 0,
        grouped: bool = False,
        teams: bool | Mapping[str, int] = False,
        behaviors: Mapping[str, str] | None = None,
    ) -> None:
        self.title, self._seed, self._grouped = name, int(seed), grouped
        self.copies: list[Any] = []
        try:
            for _ in range(num_envs):
                self.copies.append(make())
            self.roles = find_roles(self.copies[0], name, teams, behaviors or {})
        except BaseException:
            close_reported(self.close)
            raise
        self._role_of = {agent: role for role in self.roles.values() for agent in role.agents}
        where = f"environment {name}"
        self._checked = [CheckedCopy(copy, where, self._role_of.keys()) for copy in self.copies]
        self._ids: list[dict[str, int]] = [{} for _ in self.copies]
        self._groups: list[dict[str, int]] = [{} for _ in self.copies]
        self._owed: list[dict[str, tuple[float, float]]] = [{} for _ in self.copies]
        self._next_id = list(range(num_envs))
        self._next_group, self._began = 1, False
        self._steps: dict[str, tuple[DecisionSteps, TerminalSteps]] = {}
        self._chosen: dict[str, dict[int, Any]] = {name: {} for name in self.roles}

    @property
    def num_envs(self) -> int:
        """Number of copies."""
        return len(self.copies)

    @property
    def behavior_specs(self) -> BehaviorMapping:
        """The `BehaviorSpec` of each role."""
        return BehaviorMapping({name: role.spec for name, role in self.roles.items()})

    @property
    def spaces(self) -> dict[str, tuple[Space, Space]]:
        """The spaces of one agent's observation and action, by behavior."""
        return {name: (role.observations.space, role.actions.space) for name, role in self.roles.items()}

    def copy_of(self, agent_id: int) -> int:
        """Returns the number of an agent's copy."""
        return agent_id % len(self.copies)

    def reset(self) -> None:
        """Begins a new episode in every copy.

        Raises:
            UserError: The environment fails, or returns what does not fit its spaces. So do `step`'s.
        """
        deciding, ended = self._empty_rows(), self._empty_rows()
        for number in range(len(self.copies)):
            self._begin(number, deciding)
        self._began = True
        self._collect(deciding, ended)

    def step(self) -> None:
        """Steps every copy with the actions set since the last step; an agent without one acts 0."""
        if not self._began:
            self.reset()
            return
        actions = {name: self._actions_of(role) for name, role in self.roles.items()}
        deciding, ended = self._empty_rows(), self._empty_rows()
        for number, copy in enumerate(self._checked):
            ids = self._ids[number]
            asked = {}
            for agent in copy.agents:
                role = self._role_of[agent]
                chosen = actions[role.name].get(ids.get(agent, -1))
                # The environment may write into what it is given.
                asked[agent] = deepcopy(role.idle) if chosen is None else chosen
            if not self._read(number, copy.step(asked), asked.keys(), deciding, ended):
                self._begin(number, deciding)
        self._collect(deciding, ended)

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        """Returns the agents that need an action, and those whose episode ended in the last step."""
        role = self._role(behavior_name)
        empty = DecisionSteps.empty(role.spec), TerminalSteps.empty(role.spec)
        return self._steps.get(behavior_name, empty)

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        """Sets the actions of all agents of the last `DecisionSteps`, in that order."""
        self._set(self._role(behavior_name), self.get_steps(behavior_name)[0].agent_id, action)

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        """Sets the action of one agent of the last `DecisionSteps`."""
        if agent_id not in self.get_steps(behavior_name)[0].agent_id:
            raise UnityActionException(f"agent {agent_id} of {behavior_name} did not ask for a decision")
        self._set(self._role(behavior_name), np.array([agent_id]), action)

    def close(self) -> None:
        """Closes all copies, even if one fails to."""
        close_all(self.copies)

    def _role(self, behavior_name: str) -> Role:
        if behavior_name not in self.roles:
            known = ", ".join(map(repr, self.roles))
            raise UnityActionException(f"unknown behavior {behavior_name!r}; this environment has {known}")
        return self.roles[behavior_name]

    def _set(self, role: Role, agent_ids: np.ndarray, action: ActionTuple) -> None:
        action = checked_choices(role.spec.action_spec, action, len(agent_ids), role.name)
        self._chosen[role.name].update(zip(agent_ids.tolist(), role.converted(action), strict=True))

    def _actions_of(self, role: Role) -> dict[int, Any]:
        """Returns the actions that were set for agents of a role, by id, and forgets them."""
        chosen = self._chosen[role.name]
        self._chosen[role.name] = {}
        return chosen

    def _begin(self, number: int, deciding: dict[str, Rows]) -> None:
        """Resets a copy, gives its agents new ids, and adds their first observations to `deciding`."""
        told = self._checked[number].reset(None if self._began else self._seed + number)
        self._ids[number], self._groups[number], self._owed[number] = {}, {}, {}
        if self._grouped:
            for role in self.roles:
                self._groups[number][role] = self._next_group
                self._next_group += 1
        self._read(number, told, (), deciding, self._empty_rows())

    def _read(
        self,
        number: int,
        told: Told,
        before: Collection[str],
        deciding: dict[str, Rows],
        ended: dict[str, Rows],
    ) -> list[str]:
        """Sorts what the agents of a copy observed into those that decide and those that ended.

        Args:
            number: The copy.
            told: What it told of its agents.
            before: The agents that lived before the step.
            deciding: Takes in those that decide, by behavior.
            ended: Takes in those that ended.

        Returns:
            The agents that go on.
        """
        copy, ids = self._checked[number], self._ids[number]
        agents = copy.agents
        shared = self._shared(told, before)
        for agent in before:
            self._owe(number, agent, told.rewards[agent], shared.get(self._role_of[agent].name, 0.0))
            if (
                agent not in told.observations
                and agent in ids
                and (agent in told.over or agent not in agents)
            ):
                copy.refuse("step()", f"no last observation of {agent!r}", "one, since its episode ended")
        for agent, observation in told.observations.items():
            role, over = self._role_of[agent], agent in told.over
            if over and agent not in before:
                continue
            if not over and agent not in agents:
                copy.refuse("agents", f"no {agent!r}, which has not ended", "every agent that goes on")
            part = role.observation(observation)
            mask = None if over else role.forbidden(observation, told.infos.get(agent) or {})
            if mask is not None and role.is_idle(mask):
                continue
            own, group_reward = self._owed[number].pop(agent, (0.0, 0.0))
            if agent not in ids:
                if over:
                    continue  # it never had a decision
                ids[agent] = self._next_id[number]
                self._next_id[number] += len(self.copies)
                own = group_reward = 0.0  # earned before its first decision
            rows = (ended if over else deciding)[role.name]
            group = self._groups[number].get(role.name, 0)
            # The next episode may be written into the same arrays.
            rows.add(ids[agent], deepcopy(part) if over else part, own, group_reward, group)
            if over:
                rows.interrupted.append(agent not in told.terminated)
                del ids[agent]
            else:
                rows.masks.append(mask)
        return [agent for agent in agents if agent not in told.over]

    def _owe(self, number: int, agent: str, reward: float, group_reward: float) -> None:
        """Add what an agent earned to what it gets with its next decision or its end."""
        own, group = self._owed[number].get(agent, (0.0, 0.0))
        self._owed[number][agent] = own + (reward - group_reward), group + group_reward

    def _shared(self, told: Told, before: Collection[str]) -> dict[str, float]:
        """Returns the reward of each group whose members all received the same."""
        if not self._grouped:
            return {}
        received: dict[str, set[float]] = {}
        for agent in before:
            received.setdefault(self._role_of[agent].name, set()).add(told.rewards[agent])
        return {role: values.pop() for role, values in received.items() if len(values) == 1}

    def _collect(self, deciding: dict[str, Rows], ended: dict[str, Rows]) -> None:
        for name, role in self.roles.items():
            self._steps[name] = decision_steps(role, deciding[name]), terminal_steps(role, ended[name])

    def _empty_rows(self) -> dict[str, Rows]:
        return {name: Rows() for name in self.roles}
