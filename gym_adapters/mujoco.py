"""Gymnasium's MuJoCo locomotion tasks, many at once, in threads outside Python's global interpreter lock."""

import inspect
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import gymnasium
import mujoco
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from gym_adapters import mujoco_locomotion
from gym_adapters.mujoco_task import State, Task

try:
    from mujoco.batch import Batch
except ImportError:  # before MuJoCo 4.0
    Batch = None

logger = logging.getLogger(__name__)

TASKS: Mapping[str, Callable[[MujocoEnv, Mapping[str, Any]], Task]] = {
    "gymnasium.envs.mujoco.ant_v5:AntEnv": mujoco_locomotion.Ant,
    "gymnasium.envs.mujoco.half_cheetah_v5:HalfCheetahEnv": mujoco_locomotion.HalfCheetah,
    "gymnasium.envs.mujoco.hopper_v5:HopperEnv": mujoco_locomotion.Hopper,
    "gymnasium.envs.mujoco.humanoid_v5:HumanoidEnv": mujoco_locomotion.Humanoid,
    "gymnasium.envs.mujoco.humanoidstandup_v5:HumanoidStandupEnv": mujoco_locomotion.HumanoidStandup,
    "gymnasium.envs.mujoco.swimmer_v5:SwimmerEnv": mujoco_locomotion.Swimmer,
    "gymnasium.envs.mujoco.walker2d_v5:Walker2dEnv": mujoco_locomotion.Walker2d,
}
"""The batched form of each task, by the entry point under which Gymnasium registers it."""


class BatchedMujoco(VectorEnv):
    """One of Gymnasium's MuJoCo tasks as a vector environment over `mujoco.batch`.

    Observations, rewards, terminations and random numbers equal those of Gymnasium's own environments bit for
    bit. Physics runs in threads. A `Task` then computes observations and rewards on arrays over all
    environments. A reset runs Gymnasium's own code in one template environment, with the random generator of the
    environment that is reset.

    Infos hold only `final_obs`, with its mask `_final_obs`.

    Args:
        spec: The registered environment; `supports` must hold for it.
        num_envs: The number of environments.
        options: Keyword arguments of the environment, beyond those in its spec.
    """

    def __init__(self, spec: EnvSpec, num_envs: int, options: Mapping[str, Any]) -> None:
        self.num_envs = num_envs
        self.spec = spec
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        with warnings_to_log():
            env = gymnasium.make(spec, disable_env_checker=True, **options)
        self._template = cast(MujocoEnv, env.unwrapped)
        self.single_observation_space = self._template.observation_space
        self.single_action_space = self._template.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

        parameters = _default_parameters(spec) | spec.kwargs | dict(options)
        self._task = TASKS[str(spec.entry_point)](self._template, parameters)
        self._time_limit = spec.max_episode_steps or np.inf
        self._elapsed = np.zeros(num_envs, dtype=np.int64)
        self._generators = [seeding.np_random()[0] for _ in range(num_envs)]

        model = self._template.model
        threads = min(num_envs, _available_cpus())
        self._batch = Batch(model, nsim=num_envs, nthread=threads, persistent=True)
        self._ctrl = self._batch.bind("ctrl")
        fields = ("qpos", "qvel", *self._task.fields)
        self._state = State(**{name: self._batch.bind(name) for name in fields if name != "cfrc_ext"})
        self._computes_contact_forces = "cfrc_ext" in fields
        if self._computes_contact_forces:
            self._state.cfrc_ext = np.zeros((num_envs, model.nbody, 6))
            self._contacts, self._equalities = self._batch.bind("ncon"), self._batch.bind("ne")
            self._scratch = mujoco.MjData(model)
        self._before = self._task.position(self._state)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begins a new episode in every environment.

        Args:
            seed: Environment i gets `seed + i`, or its entry of a list. Without a seed, its generator continues.
            options: Unused.

        Returns:
            Observations, float64. Shape: (num_envs, size). No infos.
        """
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed
        for i, one in enumerate(seeds or []):
            if one is not None:
                self._generators[i] = seeding.np_random(one)[0]
        observations = np.empty((self.num_envs, *(self.single_observation_space.shape or ())))
        self._begin(np.arange(self.num_envs), observations)
        return observations, {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Steps every environment, and resets those whose episode ends.

        Args:
            actions: Shape: (num_envs, actuators).

        Returns:
            Observations, float64, rewards, terminated, truncated. Shapes: (num_envs, size), then (num_envs,).
            Infos hold the last observations of the ended episodes as `final_obs`.
        """
        self._ctrl[:] = actions
        self._batch.step(nstep=self._template.frame_skip)
        if self._computes_contact_forces:
            self._compute_contact_forces()
        observations = self._task.observe(self._state)
        rewards, terminated = self._task.outcome(self._state, self._before, actions)
        self._before = self._task.position(self._state)
        self._elapsed += 1
        truncated = self._elapsed >= self._time_limit
        ended = terminated | truncated
        infos: dict[str, Any] = {}
        if ended.any():
            infos = {"final_obs": _object_rows(observations, ended), "_final_obs": ended}
            self._begin(np.flatnonzero(ended), observations)
        return observations, rewards, terminated, truncated, infos

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the template environment."""
        self._template.close()

    def _begin(self, indices: np.ndarray, observations: np.ndarray) -> None:
        """Resets these environments and writes their first observations into their rows."""
        self._batch.reset(indices, stage=mujoco.mjtStage.mjSTAGE_NONE)
        self._elapsed[indices] = 0
        data = self._template.data
        for i in indices:
            self._template.np_random = self._generators[i]
            observations[i], _ = self._template.reset()
            self._state.qpos[i], self._state.qvel[i] = data.qpos, data.qvel
            single = State(**{name: getattr(data, name)[None] for name in vars(self._state)})
            self._before[i] = self._task.position(single)[0]

    def _compute_contact_forces(self) -> None:
        """Computes the forces of contacts and equality constraints on bodies, which the batch does not compute."""
        forces = self._state.cfrc_ext
        forces[:] = 0.0
        for i in np.flatnonzero(self._contacts + self._equalities):
            self._batch.get_data(i, self._scratch)
            mujoco.mj_rnePostConstraint(self._template.model, self._scratch)
            forces[i] = self._scratch.cfrc_ext


def supports(spec: EnvSpec, options: Mapping[str, Any]) -> bool:
    """Whether `BatchedMujoco` reproduces this environment with these options exactly."""
    if Batch is None or spec.entry_point not in TASKS or spec.additional_wrappers:
        return False
    return _default_parameters(spec).keys() >= spec.kwargs.keys() | options.keys()


def _default_parameters(spec: EnvSpec) -> dict[str, Any]:
    """Returns the keyword arguments in the task's signature, with their defaults."""
    parameters = inspect.signature(load_env_creator(str(spec.entry_point))).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


@contextmanager
def warnings_to_log() -> Iterator[None]:
    """Sends MuJoCo's warnings to the log instead of a file in the working directory."""
    previous = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(logger.info)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(previous)


def _available_cpus() -> int:
    """Returns the number of CPUs that this process may use, which a container or `taskset` may limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _object_rows(rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Copies the chosen rows into an array of objects, the form that Gymnasium's vector environments return."""
    objects = np.full(len(rows), None, dtype=object)
    for i in np.flatnonzero(chosen):
        objects[i] = rows[i].copy()
    return objects
