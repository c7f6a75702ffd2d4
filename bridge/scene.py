"""Environments as the scene of a player: who asks for a decision, who ended, and what the trainer's actions do."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mlagents_envs.base_env import ActionTuple, BaseEnv, DecisionSteps, TerminalSteps

from bridge.player_connection import PlayerConnection
from gym_adapters.errors import environment_called
from gym_adapters.teams import TEAM

Action = tuple[np.ndarray, np.ndarray]
"""Continuous part, shape (size,), and discrete part, shape (branches,)."""


@dataclass
class _Agent:
    """An agent from its first decision to its end.

    Attributes:
        number: Its id on the wire.
        reward: What it has earned since it was last sent.
        group_reward: What its group has earned since then.
        action: Its last action; None before the first.
    """

    number: int
    reward: float = 0.0
    group_reward: float = 0.0
    action: Action | None = None


class Scene:
    """One environment of a player, with any behaviors, teams, groups and agents.

    A behavior without a team in its name is team 0, as in Unity. An agent that comes back after its end is a new one.
    The environment is stepped only when each agent that asks for a decision has an action.

    Args:
        env: The environment.
        connection: The connection to the trainer.
        numbers: Gives each agent an id that no other scene's agent has.
        index: The number of this scene, from 0.
        count: The number of scenes, so that none shares a group id with another.
    """

    def __init__(
        self,
        env: BaseEnv,
        connection: PlayerConnection,
        numbers: Iterator[int],
        index: int = 0,
        count: int = 1,
    ) -> None:
        self.env, self._connection, self._numbers = env, connection, numbers
        self._index, self._count = index, count
        self._agents: dict[str, dict[int, _Agent]] = {}
        self._asking: dict[str, DecisionSteps] = {}

    def begin(self) -> None:
        """Begin new episodes."""
        for agents in self._agents.values():
            agents.clear()
        with environment_called():
            self.env.reset()
        self._observe()

    def ask(self) -> None:
        """Add all agents that ask for a decision to the next message."""
        for name, steps in self._asking.items():
            for row, agent in enumerate(self._agents_of(name, steps)):
                masks = steps.action_mask
                mask = np.concatenate([branch[row] for branch in masks]) if masks else None
                self._put(name, agent, steps, row, mask=mask)

    def take(self, actions: Mapping[tuple[str, int], Action]) -> None:
        """Take the trainer's actions, by behavior on the wire and agent id. Each holds until the agent's next one."""
        for name, agents in self._agents.items():
            behavior = on_the_wire(name)
            for agent in agents.values():
                agent.action = actions.get((behavior, agent.number), agent.action)

    def act(self) -> None:
        """Step the environment, and add the agents whose episode ended to the next message."""
        chosen = {}
        for name, steps in self._asking.items():
            actions = [agent.action for agent in self._agents_of(name, steps)]
            given = [action for action in actions if action is not None]
            if len(given) < len(actions):
                return
            if given:
                chosen[name] = ActionTuple(*(np.stack(part) for part in zip(*given, strict=True)))
        with environment_called():
            for name, action in chosen.items():
                self.env.set_actions(name, action)
            self.env.step()
        self._observe()

    def _observe(self) -> None:
        """Take in the step's result: rewards, and who ended and who asks."""
        for name, spec in self.env.behavior_specs.items():
            self._agents.setdefault(name, {})
            if on_the_wire(name) not in self._connection.behaviors:
                self._connection.add_behavior(on_the_wire(name), spec.observation_specs, spec.action_spec)
            self._asking[name], ended = self.env.get_steps(name)
            for row, agent in enumerate(self._rewarded(name, ended)):
                self._put(name, agent, ended, row, done=True, interrupted=bool(ended.interrupted[row]))
                del self._agents[name][int(ended.agent_id[row])]
            self._rewarded(name, self._asking[name])

    def _rewarded(self, name: str, steps: DecisionSteps | TerminalSteps) -> list[_Agent]:
        """Add the rewards of a step to what its agents have earned, and return these agents."""
        agents = self._agents_of(name, steps)
        for agent, own, group in zip(agents, steps.reward.tolist(), steps.group_reward.tolist(), strict=True):
            agent.reward += own
            agent.group_reward += group
        return agents

    def _agents_of(self, name: str, steps: DecisionSteps | TerminalSteps) -> list[_Agent]:
        """Return the agent of each row. One that is not known is new."""
        agents = self._agents[name]
        for agent_id in steps.agent_id.tolist():
            if agent_id not in agents:
                agents[agent_id] = _Agent(next(self._numbers))
        return [agents[agent_id] for agent_id in steps.agent_id.tolist()]

    def _put(
        self, name: str, agent: _Agent, steps: DecisionSteps | TerminalSteps, row: int, **fields: Any
    ) -> None:
        group = int(steps.group_id[row])
        self._connection.put(
            on_the_wire(name),
            agent.number,
            [observation[row] for observation in steps.obs],
            agent.reward,
            group_id=group and group * self._count + self._index,
            group_reward=agent.group_reward,
            **fields,
        )
        agent.reward = agent.group_reward = 0.0


def on_the_wire(name: str) -> str:
    """Return a behavior's name as players send it: `Name?team=0`."""
    return name if TEAM in name else f"{name}{TEAM}0"


def serve(
    envs: Sequence[BaseEnv], connection: PlayerConnection, decision_period: int = 1, stagger: bool = False
) -> None:
    """Play environments until the trainer ends the session.

    Args:
        envs: The environments.
        connection: The connection to the trainer, which has connected.
        decision_period: Steps from one decision to the next; the action is repeated in between.
        stagger: Whether environments ask for decisions in different steps of the period instead of all at once.

    Raises:
        TrainerLeft: The trainer ended the session, or is gone.
        UserError: An environment fails.
    """
    numbers = itertools.count()
    scenes = [Scene(env, connection, numbers, index, len(envs)) for index, env in enumerate(envs)]
    for scene in scenes:
        scene.begin()
    for step in itertools.count():
        for index, scene in enumerate(scenes):
            turn = index if stagger else 0
            if (step - turn) % decision_period == 0:
                scene.ask()
        if connection.has_batch:
            reply = connection.exchange()
            for scene in scenes:
                if reply.reset:
                    scene.begin()
                else:
                    scene.take(reply.actions)
        for scene in scenes:
            scene.act()
