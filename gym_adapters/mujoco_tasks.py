"""What Gymnasium's MuJoCo tasks observe, pay and when they end, for many simulations at once.

Each class restates the `step` of the task of the same name in `gymnasium.envs.mujoco` (version 5) with a
leading axis over simulations. The order and the type of every operation follow the original (control costs,
for example, are float32 where the action is), so that results are the same to the last bit; tests compare.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from gymnasium.envs.mujoco import MujocoEnv

State = SimpleNamespace
"""Fields of `MjData` by name, as MuJoCo leaves them after a step. Shapes: (num_envs, ...)."""

Outcome = tuple[np.ndarray, np.ndarray]
"""Rewards, and whether the episodes terminated. Shapes: (num_envs,)."""


def _sum_of_squares(values: np.ndarray) -> np.ndarray:
    """Over all axes but the first. Shape: (num_envs,)."""
    return np.square(values).reshape(len(values), -1).sum(axis=1)


def _is_finite(state: State) -> np.ndarray:
    return np.isfinite(state.qpos).all(axis=1) & np.isfinite(state.qvel).all(axis=1)


def _is_between(low: float, values: np.ndarray, high: float) -> np.ndarray:
    return (low < values) & (values < high)


class Task:
    """One task: its observation, its reward and its endings.

    Args:
        env: A single environment of this task, for its model and constants.
        parameters: The keyword arguments of that environment, defaults included.

    Attributes:
        fields: The fields of `MjData` that the task reads besides qpos and qvel.
        skipped: How many leading positions the observation leaves out by default.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    skipped: ClassVar[int] = 0

    def __init__(self, env: MujocoEnv, parameters: Mapping[str, Any]) -> None:
        self.model = env.model
        self.dt = env.dt
        self.p = SimpleNamespace(**parameters)

    def position(self, state: State) -> np.ndarray:
        """What the forward velocity is the change of. Shape: (num_envs, ...)."""
        return state.qpos[:, 0].copy()

    def observe(self, state: State) -> np.ndarray:
        """A new array. Shape: (num_envs, size)."""
        return np.concatenate((self._positions(state), state.qvel), axis=1)

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What one step pays, and whether it ended the episode.

        Args:
            state: After the step.
            before: `position` before the step.
            actions: Shape: (num_envs, actuators).
        """
        raise NotImplementedError

    def _positions(self, state: State) -> np.ndarray:
        left_out = self.skipped if self.p.exclude_current_positions_from_observation else 0
        return state.qpos[:, left_out:]

    def _velocity(self, state: State, before: np.ndarray) -> np.ndarray:
        return (self.position(state) - before) / self.dt

    def _healthy_outcome(self, forward: np.ndarray, healthy: np.ndarray, costs: np.ndarray) -> Outcome:
        """A reward for going forward and for being healthy, and an end where that may end the episode."""
        rewards = forward + healthy * self.p.healthy_reward
        return rewards - costs, ~healthy & bool(self.p.terminate_when_unhealthy)


class HalfCheetah(Task):
    """A two-legged runner in the plane that never falls."""

    skipped = 1

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pays for forward velocity, charges for control."""
        forward = self.p.forward_reward_weight * self._velocity(state, before)
        reward = forward - self.p.ctrl_cost_weight * _sum_of_squares(actions)
        return reward, np.zeros(len(reward), dtype=bool)


class Swimmer(HalfCheetah):
    """A three-link swimmer in the plane."""

    skipped = 2


class Walker2d(Task):
    """A two-legged walker in the plane."""

    skipped = 1

    def observe(self, state: State) -> np.ndarray:
        """Positions and clipped velocities."""
        return np.concatenate((self._positions(state), np.clip(state.qvel, -10, 10)), axis=1)

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pays for forward velocity and health, charges for control."""
        forward = self.p.forward_reward_weight * self._velocity(state, before)
        costs = self.p.ctrl_cost_weight * _sum_of_squares(actions)
        return self._healthy_outcome(forward, self._healthy(state), costs)

    def _healthy(self, state: State) -> np.ndarray:
        (low, high), (least, most) = self.p.healthy_z_range, self.p.healthy_angle_range
        return _is_between(low, state.qpos[:, 1], high) & _is_between(least, state.qpos[:, 2], most)


class Hopper(Walker2d):
    """A one-legged hopper in the plane."""

    def _healthy(self, state: State) -> np.ndarray:
        low, high = self.p.healthy_state_range
        rest = np.concatenate((state.qpos[:, 2:], state.qvel), axis=1)
        return super()._healthy(state) & _is_between(low, rest, high).all(axis=1)


class Ant(Task):
    """A four-legged walker."""

    fields = ("xpos", "cfrc_ext")
    skipped = 2

    def __init__(self, env: MujocoEnv, parameters: Mapping[str, Any]) -> None:
        super().__init__(env, parameters)
        self._body = env.data.body(self.p.main_body).id

    def position(self, state: State) -> np.ndarray:
        """The main body's place. Shape: (num_envs, 2)."""
        return state.xpos[:, self._body, :2].copy()

    def observe(self, state: State) -> np.ndarray:
        """Positions, velocities and clipped contact forces."""
        parts = [self._positions(state), state.qvel]
        if self.p.include_cfrc_ext_in_observation:
            parts.append(self._forces(state)[:, 1:].reshape(len(state.qpos), -1))
        return np.concatenate(parts, axis=1)

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pays for forward velocity and health, charges for control and contact forces."""
        forward = self._velocity(state, before)[:, 0] * self.p.forward_reward_weight
        control = self.p.ctrl_cost_weight * _sum_of_squares(actions)
        contact = self.p.contact_cost_weight * _sum_of_squares(self._forces(state))
        low, high = self.p.healthy_z_range
        height = state.qpos[:, 2]
        healthy = _is_finite(state) & (low <= height) & (height <= high)
        return self._healthy_outcome(forward, healthy, control + contact)

    def _forces(self, state: State) -> np.ndarray:
        return np.clip(state.cfrc_ext, *self.p.contact_force_range)


class Humanoid(Task):
    """A two-legged, two-armed walker in space."""

    fields = ("xipos", "ctrl", "cinert", "cvel", "qfrc_actuator", "cfrc_ext")
    skipped = 2

    def position(self, state: State) -> np.ndarray:
        """The centre of mass. Shape: (num_envs, 2)."""
        mass = self.model.body_mass
        return (np.einsum("b,nbj->nj", mass, state.xipos) / mass.sum())[:, :2]

    def observe(self, state: State) -> np.ndarray:
        """Positions, velocities, inertias, body velocities, actuator forces and contact forces."""
        count = len(state.qpos)
        parts = [self._positions(state), state.qvel]
        if self.p.include_cinert_in_observation is True:
            parts.append(state.cinert[:, 1:].reshape(count, -1))
        if self.p.include_cvel_in_observation is True:
            parts.append(state.cvel[:, 1:].reshape(count, -1))
        if self.p.include_qfrc_actuator_in_observation is True:
            parts.append(state.qfrc_actuator[:, 6:])
        if self.p.include_cfrc_ext_in_observation is True:
            parts.append(state.cfrc_ext[:, 1:].reshape(count, -1))
        return np.concatenate(parts, axis=1)

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pays for forward velocity and health, charges for control and contact forces."""
        forward = self.p.forward_reward_weight * self._velocity(state, before)[:, 0]
        control = self.p.ctrl_cost_weight * _sum_of_squares(state.ctrl)
        contact = self.p.contact_cost_weight * _sum_of_squares(state.cfrc_ext)
        costs = control + np.clip(contact, *self.p.contact_cost_range)
        low, high = self.p.healthy_z_range
        return self._healthy_outcome(forward, _is_between(low, state.qpos[:, 2], high), costs)


class HumanoidStandup(Humanoid):
    """The same body, lying down, that has to rise."""

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pays for height, charges for control and contact forces."""
        up = (state.qpos[:, 2] - 0) / self.model.opt.timestep
        control = self.p.ctrl_cost_weight * _sum_of_squares(state.ctrl)
        impact = self.p.impact_cost_weight * _sum_of_squares(state.cfrc_ext)
        reward = up - control - np.clip(impact, *self.p.impact_cost_range) + 1
        return reward, np.zeros(len(reward), dtype=bool)


class InvertedPendulum(Task):
    """A pole on a cart."""

    def _positions(self, state: State) -> np.ndarray:
        return state.qpos

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pays 1 while the pole stands."""
        terminated = ~_is_finite(state) | (np.abs(state.qpos[:, 1]) > 0.2)
        return (~terminated).astype(np.float64), terminated


class InvertedDoublePendulum(Task):
    """Two poles, one on the other, on a cart."""

    fields = ("site_xpos", "qfrc_constraint")

    def observe(self, state: State) -> np.ndarray:
        """Place of the cart, angles as sine and cosine, clipped velocities, and the force at the stop."""
        angles = np.ascontiguousarray(state.qpos[:, 1:])
        velocities, force = np.clip(state.qvel, -10, 10), np.clip(state.qfrc_constraint, -10, 10)[:, :1]
        return np.concatenate((state.qpos[:, :1], np.sin(angles), np.cos(angles), velocities, force), axis=1)

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Charges for the distance to the target and for control."""
        reward = _negative_distance(self._way(state)) * self.p.reward_dist_weight
        reward = reward + -_sum_of_squares(actions) * self.p.reward_control_weight
        return reward, np.zeros(len(reward), dtype=bool)

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

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Charges for the distances of tip and object, object and goal, and for control."""
        place = state.xpos[:, self._object]
        near = _negative_distance(place - state.xpos[:, self._tip]) * self.p.reward_near_weight
        distance = _negative_distance(place - state.xpos[:, self._goal]) * self.p.reward_dist_weight
        control = -_sum_of_squares(actions) * self.p.reward_control_weight
        reward = distance + control + near
        return reward, np.zeros(len(reward), dtype=bool)


def _negative_distance(way: np.ndarray) -> np.ndarray:
    """By the dot product that `np.linalg.norm` takes of one vector, whose last bit a sum may miss."""
    return -np.sqrt(np.vecdot(way, way))


TASKS: Mapping[str, type[Task]] = {
    f"gymnasium.envs.mujoco.{module}_v5:{task.__name__}Env": task
    for module, task in {
        "ant": Ant,
        "half_cheetah": HalfCheetah,
        "hopper": Hopper,
        "humanoid": Humanoid,
        "humanoidstandup": HumanoidStandup,
        "inverted_double_pendulum": InvertedDoublePendulum,
        "inverted_pendulum": InvertedPendulum,
        "pusher": Pusher,
        "reacher": Reacher,
        "swimmer": Swimmer,
        "walker2d": Walker2d,
    }.items()
}
"""By the entry point under which Gymnasium registers the task."""
