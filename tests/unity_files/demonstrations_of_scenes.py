"""Demonstrations of a scene, for the training files that imitate."""

from pathlib import Path

import numpy as np
from scenes import LENGTH, Scene

from tests.shown import episode, write_shown

EPISODES = 8


def demonstrate(scene: Scene, path: Path, seed: int = 0) -> Path:
    """Write a .demo file of an agent of the scene's first behavior, and return its path.

    The first continuous action is the first observation's first number, and so is the first choice, rounded.
    """
    name, cast = next(iter(scene.casts.items()))
    actions, rng = cast.spec.action_spec, np.random.default_rng(seed)
    runs = []
    for _ in range(EPISODES):
        observations = tuple(
            rng.random((LENGTH + 1, *seen.shape), np.float32) for seen in cast.spec.observation_specs
        )
        rule = observations[0][:LENGTH].reshape(LENGTH, -1)[:, 0]
        continuous = np.zeros((LENGTH, actions.continuous_size), np.float32)
        continuous[:, :1] = rule[:, None]
        discrete = np.zeros((LENGTH, actions.discrete_size), np.int64)
        discrete[:, :1] = np.round(rule)[:, None]
        runs.append(episode(cast.spec, observations, continuous, discrete, reward=np.full(LENGTH, 0.1)))
    return write_shown(path, cast.spec, *runs, name=name)
