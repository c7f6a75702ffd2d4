"""Observations, rewards and terminations of MuJoCo tasks, for many simulations at once.

The tasks in `mujoco_locomotion` restate the `step` of the task of the same name in
`gymnasium.envs.mujoco` (version 5) with a leading axis over simulations. The order and the type of every
operation follow the original (control costs, for example, are float32 where the action is), so that the
results are equal bit for bit, which the tests check.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from gymnasium.envs.mujoco import MujocoEnv

State = SimpleNamespace
"""Fields of `MjData` by name, as MuJoCo leaves them after a step. Shapes: (num_envs, ...)."""

Outcome = tuple[np.ndarray, np.ndarray]
"""Rewards, and whether the episodes terminated. Shapes: (num_envs,)."""


class Task(ABC):
    """The observation, reward and termination of one task.

    Args:
        env: A single environment of this task, for its model and constants.
        parameters: The keyword arguments of that environment, defaults included.

    Attributes:
        fields: The fields of `MjData` that the task reads besides qpos and qvel.
        skipped: The number of leading positions that the observation omits by default.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    skipped: ClassVar[int] = 0

    def __init__(self, env: MujocoEnv, parameters: Mapping[str, Any]) -> None:
        self.model = env.model
        self.dt = env.dt
        self.p = SimpleNamespace(**parameters)

    def position(self, state: State) -> np.ndarray:
        """The position whose change is the forward velocity. Shape: (num_envs, ...)."""
        return state.qpos[:, 0].copy()

    def observe(self, state: State) -> np.ndarray:
        """Returns the observations as a new array. Shape: (num_envs, size)."""
        return np.concatenate((self._positions(state), state.qvel), axis=1)

    @abstractmethod
    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> Outcome:
        """Returns the reward of one step, and whether it terminated the episode.

        Args:
            state: The state after the step.
            before: `position` before the step.
            actions: Shape: (num_envs, actuators).
        """

    def _positions(self, state: State) -> np.ndarray:
        left_out = self.skipped if self.p.exclude_current_positions_from_observation else 0
        return state.qpos[:, left_out:]

    def _velocity(self, state: State, before: np.ndarray) -> np.ndarray:
        return (self.position(state) - before) / self.dt

    def _healthy_outcome(self, forward: np.ndarray, healthy: np.ndarray, costs: np.ndarray) -> Outcome:
        """Adds the reward for health, subtracts the costs, and terminates unhealthy episodes if the task does so."""
        rewards = forward + healthy * self.p.healthy_reward
        return rewards - costs, ~healthy & bool(self.p.terminate_when_unhealthy)


def sum_of_squares(values: np.ndarray) -> np.ndarray:
    """Returns the sum over all axes but the first. Shape: (num_envs,)."""
    return np.square(values).reshape(len(values), -1).sum(axis=1)


def endless(rewards: np.ndarray) -> Outcome:
    """Returns the outcome of a task that never terminates."""
    return rewards, np.zeros(len(rewards), dtype=bool)


def is_finite(state: State) -> np.ndarray:
    """Whether positions and velocities are finite. Shape: (num_envs,)."""
    return np.isfinite(state.qpos).all(axis=1) & np.isfinite(state.qvel).all(axis=1)


def is_between(low: float, values: np.ndarray, high: float) -> np.ndarray:
    """Whether low < value < high, elementwise."""
    return (low < values) & (values < high)
