"""Tasks so small that a policy learns them in seconds: every decision is paid at once, by a rule."""

from collections.abc import Callable

import numpy as np
from mlagents_envs.base_env import (
    ActionTuple,
    BaseEnv,
    BehaviorMapping,
    BehaviorSpec,
    DecisionSteps,
    TerminalSteps,
)

from gym_adapters.actions import checked_actions

Observations = list[np.ndarray]
Masks = list[np.ndarray] | None
Look = Callable[[np.random.Generator, np.ndarray], tuple[Observations, Masks]]


class TaskEnv(BaseEnv):
    """Agents that see something random at every step and are paid for what they do about it.

    Args:
        spec: observations and actions.
        look: makes the observations of n agents, and masks (True = forbidden) or None.
        pay: the rewards, (n,), of actions for observations.
        agents: how many.
        length: decisions in an episode.
        together: all agents begin their first episode at its start; else each at another point.
        interrupted: episodes end by a time limit rather than truly.
        seed: of what agents see.
        name: the behavior.
    """

    def __init__(
        self,
        spec: BehaviorSpec,
        look: Look,
        pay: Callable[[Observations, ActionTuple], np.ndarray],
        agents: int = 16,
        length: int = 4,
        interrupted: bool = False,
        seed: int = 0,
        name: str = "Task",
        together: bool = False,
    ) -> None:
        self.spec, self.look, self.pay, self.name = spec, look, pay, name
        self.agents, self.length, self.interrupted = agents, length, interrupted
        self.together, self.rng = together, np.random.default_rng(seed)
        self.closed = False

    @property
    def behavior_specs(self) -> BehaviorMapping:
        return BehaviorMapping({self.name: self.spec})

    def reset(self) -> None:
        self.age = np.arange(self.agents) * (not self.together) % self.length
        self.observations, self.masks = self.look(self.rng, self.age)
        everyone, nobody = np.arange(self.agents), np.arange(0)
        self.steps = (self._decision(everyone, np.zeros(self.agents)), self._terminal(nobody, np.zeros(0)))

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        assert behavior_name == self.name
        return self.steps

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        assert behavior_name == self.name
        checked_actions(self.spec.action_spec, action, self.agents, behavior_name)
        for branch, mask in enumerate(self.masks or ()):
            assert not mask[np.arange(self.agents), action.discrete[:, branch]].any(), "forbidden"
        self.action = action

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        raise AssertionError("actions come for all agents at once")

    def step(self) -> None:
        reward = np.asarray(self.pay(self.observations, self.action), np.float64)
        self.age = self.age + 1
        ended = np.flatnonzero(self.age == self.length)
        self.observations, self.masks = self.look(self.rng, self.age)
        terminal = self._terminal(ended, reward[ended])
        if len(ended):  # a new episode begins in the same step
            self.age[ended] = 0
            fresh, fresh_masks = self.look(self.rng, self.age)
            for array, new in zip(self.observations, fresh, strict=True):
                array[ended] = new[ended]
            for mask, new in zip(self.masks or (), fresh_masks or (), strict=True):
                mask[ended] = new[ended]
            reward[ended] = 0.0
        self.steps = (self._decision(np.arange(self.agents), reward), terminal)

    def close(self) -> None:
        self.closed = True

    def _decision(self, rows: np.ndarray, reward: np.ndarray) -> DecisionSteps:
        zeros = np.zeros(len(rows), np.int32)
        obs = [array.copy() for array in self.observations]
        return DecisionSteps(
            obs, reward.astype(np.float32), rows.astype(np.int32), self.masks, zeros, zeros.astype(np.float32)
        )

    def _terminal(self, rows: np.ndarray, reward: np.ndarray) -> TerminalSteps:
        zeros = np.zeros(len(rows), np.int32)
        obs = [array[rows] for array in self.observations]
        interrupted = np.full(len(rows), self.interrupted)
        return TerminalSteps(
            obs,
            reward.astype(np.float32),
            interrupted,
            rows.astype(np.int32),
            zeros,
            zeros.astype(np.float32),
        )


def one_hot(choices: np.ndarray, size: int) -> np.ndarray:
    """Rows with a single one. Shape: (n, size), float32."""
    return np.eye(size, dtype=np.float32)[choices]


def noise(*shapes: tuple[int, ...]) -> Look:
    """Observations of these shapes, of numbers that mean nothing."""
    return lambda rng, age: (
        [rng.normal(size=(len(age), *shape)).astype(np.float32) for shape in shapes],
        None,
    )


def clock(rng: np.random.Generator, age: np.ndarray) -> tuple[Observations, Masks]:
    """One observation: which of the four decisions of an episode comes next."""
    return [one_hot(np.minimum(age, 3), 4)], None


def pay_one(obs: Observations, action: ActionTuple) -> np.ndarray:
    """Every decision is paid 1."""
    return np.ones(len(obs[0]))
