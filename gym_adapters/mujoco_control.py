"""Gymnasium's MuJoCo tasks that balance a pole or move an arm."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.envs.mujoco import MujocoEnv

from gym_adapters.mujoco_task import Outcome, State, Task, endless, is_finite, sum_of_squares


class InvertedPendulum(Task):
    """A pole on a cart."""

    def _positions(self, state: State) -> np.ndarray:
        return state.qpos

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> Outcome:
        """Pays 1 while the pole stands."""
        terminated = ~is_finite(state) | (np.abs(state.qpos[:, 1]) > 0.2)
        return (~terminated).astype(np.float64), terminated


class InvertedDoublePendulum(Task):
    """Two poles, one on the other, on a cart."""

    fields = ("site_xpos", "qfrc_constraint")

    def observe(self, state: State) -> np.ndarray:
        """Place of the cart, angles as sine and cosine, clipped velocities, and the force at the stop."""
        angles = np.ascontiguousarray(state.qpos[:, 1:])
        velocities, force = np.clip(state.qvel, -10, 10), np.clip(state.qfrc_constraint, -10, 10)[:, :1]
        return np.concatenate((state.qpos[:, :1], np.sin(angles), np.cos(angles), velocities, force), axis=1)

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> Outcome:
        """Pays for staying up, charges for the tip's distance from the top and for velocities.

        `float_power` squares like a scalar's `**` does; an array's may differ in the last bit.
        """
        x, y = state.site_xpos[:, 0, 0], state.site_xpos[:, 0, 2]
        terminated = y <= 1
        lower, upper = np.float_power(state.qvel[:, 1:3].T, 2)
        distance = 0.01 * np.float_power(x, 2) + np.float_power(y - 2, 2)
        alive = self.p.healthy_reward * ~terminated
        return alive - distance - (1e-3 * lower + 5e-3 * upper), terminated


class Reacher(Task):
    """A two-link arm that reaches for a target."""

    fields = ("xpos",)

    def __init__(self, env: MujocoEnv, parameters: Mapping[str, Any]) -> None:
        super().__init__(env, parameters)
        self._fingertip, self._target = (env.data.body(name).id for name in ("fingertip", "target"))

    def observe(self, state: State) -> np.ndarray:
        """Angles as cosine and sine, target, joint velocities, and the way left to the target."""
        angles = np.ascontiguousarray(state.qpos[:, :2])
        parts = (
            np.cos(angles),
            np.sin(angles),
            state.qpos[:, 2:],
            state.qvel[:, :2],
            self._way(state)[:, :2],
        )
        return np.concatenate(parts, axis=1)

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> Outcome:
        """Charges for the distance to the target and for control."""
        distance = _negative_distance(self._way(state)) * self.p.reward_dist_weight
        return endless(distance + -sum_of_squares(actions) * self.p.reward_control_weight)

    def _way(self, state: State) -> np.ndarray:
        return state.xpos[:, self._fingertip] - state.xpos[:, self._target]


class Pusher(Task):
    """An arm that pushes an object to a goal."""

    fields = ("xpos",)

    def __init__(self, env: MujocoEnv, parameters: Mapping[str, Any]) -> None:
        super().__init__(env, parameters)
        self._tip, self._object, self._goal = (
            env.data.body(name).id for name in ("tips_arm", "object", "goal")
        )

    def observe(self, state: State) -> np.ndarray:
        """The arm's joints and their velocities, and the places of tip, object and goal."""
        places = [state.xpos[:, body] for body in (self._tip, self._object, self._goal)]
        return np.concatenate((state.qpos[:, :7], state.qvel[:, :7], *places), axis=1)

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> Outcome:
        """Charges for the distances of tip and object, object and goal, and for control."""
        place = state.xpos[:, self._object]
        near = _negative_distance(place - state.xpos[:, self._tip]) * self.p.reward_near_weight
        distance = _negative_distance(place - state.xpos[:, self._goal]) * self.p.reward_dist_weight
        control = -sum_of_squares(actions) * self.p.reward_control_weight
        return endless(distance + control + near)


def _negative_distance(way: np.ndarray) -> np.ndarray:
    """By the dot product that `np.linalg.norm` takes of one vector, whose last bit a sum may miss."""
    return -np.sqrt(np.vecdot(way, way))
