"""Gymnasium's MuJoCo tasks that move a body forward or up."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.envs.mujoco import MujocoEnv

from gym_adapters.mujoco_task import Outcome, State, Task, endless, is_between, is_finite, sum_of_squares


class HalfCheetah(Task):
    """A two-legged runner in the plane that never falls."""

    skipped = 1

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> Outcome:
        """Rewards forward velocity and penalises control."""
        forward = self.p.forward_reward_weight * self._velocity(state, before)
        return endless(forward - self.p.ctrl_cost_weight * sum_of_squares(actions))


class Swimmer(HalfCheetah):
    """A three-link swimmer in the plane."""

    skipped = 2


class Walker2d(Task):
    """A two-legged walker in the plane."""

    skipped = 1

    def observe(self, state: State) -> np.ndarray:
        """Positions and clipped velocities."""
        return np.concatenate((self._positions(state), np.clip(state.qvel, -10, 10)), axis=1)

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> Outcome:
        """Rewards forward velocity and health, and penalises control."""
        forward = self.p.forward_reward_weight * self._velocity(state, before)
        costs = self.p.ctrl_cost_weight * sum_of_squares(actions)
        return self._healthy_outcome(forward, self._healthy(state), costs)

    def _healthy(self, state: State) -> np.ndarray:
        (low, high), (least, most) = self.p.healthy_z_range, self.p.healthy_angle_range
        return is_between(low, state.qpos[:, 1], high) & is_between(least, state.qpos[:, 2], most)


class Hopper(Walker2d):
    """A one-legged hopper in the plane."""

    def _healthy(self, state: State) -> np.ndarray:
        low, high = self.p.healthy_state_range
        rest = np.concatenate((state.qpos[:, 2:], state.qvel), axis=1)
        return super()._healthy(state) & is_between(low, rest, high).all(axis=1)


class Ant(Task):
    """A four-legged walker."""

    fields = ("xpos", "cfrc_ext")
    skipped = 2

    def __init__(self, env: MujocoEnv, parameters: Mapping[str, Any]) -> None:
        super().__init__(env, parameters)
        self._body = env.data.body(self.p.main_body).id

    def position(self, state: State) -> np.ndarray:
        """The position of the main body. Shape: (num_envs, 2)."""
        return state.xpos[:, self._body, :2].copy()

    def observe(self, state: State) -> np.ndarray:
        """Positions, velocities and clipped contact forces."""
        parts = [self._positions(state), state.qvel]
        if self.p.include_cfrc_ext_in_observation:
            parts.append(self._forces(state)[:, 1:].reshape(len(state.qpos), -1))
        return np.concatenate(parts, axis=1)

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> Outcome:
        """Rewards forward velocity and health, and penalises control and contact forces."""
        forward = self._velocity(state, before)[:, 0] * self.p.forward_reward_weight
        control = self.p.ctrl_cost_weight * sum_of_squares(actions)
        contact = self.p.contact_cost_weight * sum_of_squares(self._forces(state))
        low, high = self.p.healthy_z_range
        height = state.qpos[:, 2]
        healthy = is_finite(state) & (low <= height) & (height <= high)
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

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> Outcome:
        """Rewards forward velocity and health, and penalises control and contact forces."""
        forward = self.p.forward_reward_weight * self._velocity(state, before)[:, 0]
        control = self.p.ctrl_cost_weight * sum_of_squares(state.ctrl)
        contact = self.p.contact_cost_weight * sum_of_squares(state.cfrc_ext)
        costs = control + np.clip(contact, *self.p.contact_cost_range)
        low, high = self.p.healthy_z_range
        return self._healthy_outcome(forward, is_between(low, state.qpos[:, 2], high), costs)


class HumanoidStandup(Humanoid):
    """A humanoid that begins lying down and has to stand up."""

    def outcome(self, state: State, before: np.ndarray, actions: np.ndarray) -> Outcome:
        """Rewards height, and penalises control and contact forces."""
        up = (state.qpos[:, 2] - 0) / self.model.opt.timestep
        control = self.p.ctrl_cost_weight * sum_of_squares(state.ctrl)
        impact = self.p.impact_cost_weight * sum_of_squares(state.cfrc_ext)
        return endless(up - control - np.clip(impact, *self.p.impact_cost_range) + 1)
