"""Demonstrations from data sets of Minari (extra `minari`), which hold episodes of Gymnasium environments.

Source: the API of `minari.MinariDataset`, https://minari.farama.org/api/minari_dataset/minari_dataset/.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import BehaviorSpec

from bridge.demonstrations import Demonstrations, Trajectory
from gym_adapters.action_spaces import ActionMapping
from gym_adapters.commands import install_command
from gym_adapters.errors import UserError
from gym_adapters.make import behavior_name
from gym_adapters.spaces import ObservationMapping
from gym_adapters.text import one_line


def import_minari() -> Any:
    """Import and return the package.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module("minari")
    except ImportError as error:
        raise UserError(
            f"demo_path: data sets of Minari need its package ({error}); run: {install_command('minari[hdf5]')}"
        ) from error


def load_minari(dataset_id: str) -> Demonstrations:
    """Read a data set that is on this machine, such as `mujoco/walker2d/expert-v0`.

    Raises:
        UserError: Minari is not installed, the data set is not on this machine or is empty, or its spaces or episodes
            are not supported.
    """
    minari = import_minari()
    source = f"minari:{dataset_id}"
    try:
        dataset = minari.load_dataset(dataset_id)
        episodes = list(dataset.iterate_episodes())
        seen, done = dataset.observation_space, dataset.action_space
    except Exception as error:  # Minari's storage raises what its libraries raise
        raise UserError(
            f"demo_path: {source} cannot be read ({one_line(str(error), 200)}); `minari list local` lists the data "
            "sets on this machine, and `minari download` gets one"
        ) from error
    try:
        observations, actions = ObservationMapping(seen, source), ActionMapping(done)
        runs = tuple(_trajectory(one, observations, actions) for one in episodes if len(one.rewards))
    except (UserError, LookupError, TypeError, ValueError) as error:
        raise UserError(f"demo_path: {source}: {one_line(str(error), 300)}") from error
    if not runs:
        raise UserError(f"demo_path: {source} holds no episode; use another data set")
    spec = BehaviorSpec(observations.specs, actions.spec)
    return Demonstrations(source, _name(dataset, dataset_id), spec, runs)


def _trajectory(episode: Any, observations: ObservationMapping, actions: ActionMapping) -> Trajectory:
    """Return a Minari `EpisodeData`, whose observations are one more than its actions."""
    count = len(episode.rewards)
    seen = tuple(observations.convert(episode.observations))
    given = actions.invert(episode.actions)
    if {len(column) for column in seen} != {count + 1} or len(given.continuous) != count:
        raise ValueError(
            f"an episode of {len(seen[0])} observations, {len(given.continuous)} actions and {count} rewards; expected "
            "one observation more than actions and rewards"
        )
    ended = bool(episode.terminations[-1] or episode.truncations[-1])
    return Trajectory(
        seen,
        given.continuous,
        given.discrete.astype(np.int64),
        np.zeros((count, sum(actions.spec.discrete_branches)), np.bool_),
        np.asarray(episode.rewards, np.float32),
        ended,
        ended and not episode.terminations[-1],
    )


def _name(dataset: Any, dataset_id: str) -> str:
    """Return the name of the data set's environment as this trainer names its behavior."""
    found = getattr(getattr(dataset, "env_spec", None), "id", None)
    return behavior_name(found) if isinstance(found, str) else Path(dataset_id).name
