"""Demonstrations from what an agent saw and did."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import BehaviorSpec

from bridge.demonstrations import Demonstrations, Trajectory, write_demonstrations


def episode(
    spec: BehaviorSpec,
    seen: Sequence[Any],
    continuous: Any = None,
    discrete: Any = None,
    forbidden: Any = None,
    reward: Any = None,
    ended: bool = True,
) -> Trajectory:
    """One episode of t decisions; what is not given is 0. Shapes: `seen` (t + 1, ...) each, the others (t, ...)."""
    count, actions = len(seen[0]) - 1, spec.action_spec

    def column(given: Any, width: int, dtype: type) -> np.ndarray:
        values = np.zeros((count, width)) if given is None else np.asarray(given)
        return values.astype(dtype).reshape(count, width)

    return Trajectory(
        tuple(np.asarray(one, np.float32) for one in seen),
        column(continuous, actions.continuous_size, np.float32),
        column(discrete, actions.discrete_size, np.int64),
        column(forbidden, sum(actions.discrete_branches), np.bool_),
        column(reward, 1, np.float32)[:, 0],
        ended,
    )


def write_shown(path: Path, spec: BehaviorSpec, *episodes: Trajectory, name: str = "Test") -> Path:
    """Write a .demo file, and return its path."""
    write_demonstrations(path, Demonstrations(str(path), name, spec, episodes))
    return path
