"""Demonstration files made from single moments."""

from pathlib import Path
from typing import Any

import numpy as np
from messages import vector
from mlagents_envs.base_env import (
    BehaviorSpec,
)

from bridge import wire
from bridge.demonstration_file import write_recording
from bridge.demonstrations import Trajectory
from tests.trainers import scripted_env


def make_spec(shapes: list[tuple[int, ...]], continuous: int, branches: tuple[int, ...]) -> BehaviorSpec:
    return scripted_env.make_spec(*shapes, continuous=continuous, branches=branches)


def make_run(
    rng: np.random.Generator, spec: BehaviorSpec, length: int, ended: bool = True, interrupted: bool = False
) -> Trajectory:
    actions = spec.action_spec
    discrete = rng.integers(0, actions.discrete_branches, (length, actions.discrete_size)).astype(np.int64)
    branches = np.array(actions.discrete_branches, np.int64)
    forbidden = rng.random((length, branches.sum())) < 0.5
    np.put_along_axis(forbidden, discrete + np.cumsum(branches) - branches, False, axis=1)
    return Trajectory(
        tuple(
            rng.integers(0, 256, (length + 1, *one.shape)).astype(np.uint8)
            if len(one.shape) == 3
            else rng.standard_normal((length + 1, *one.shape)).astype(np.float32)
            for one in spec.observation_specs
        ),
        rng.standard_normal((length, actions.continuous_size)).astype(np.float32),
        discrete,
        forbidden,
        rng.standard_normal(length).astype(np.float32),
        ended,
        interrupted,
    )


def moment(number: int, reward: float = 0.0, done: bool = False, agent: int = 7, **action: Any) -> Any:
    pair = wire.RecordedPair()
    pair.agent_info.id, pair.agent_info.reward, pair.agent_info.done = agent, reward, done
    pair.agent_info.observations.append(vector([number]))
    if "continuous" in action:
        pair.action_info.continuous_actions = np.array(action.pop("continuous"), np.float32).tobytes()
    for field, values in action.items():
        getattr(pair.action_info, field).extend(values)
    return pair


def parameters(continuous: int = 1, branches: tuple[int, ...] = (), **fields: Any) -> Any:
    brain = wire.BrainParameters(brain_name="Ball?team=0", **fields)
    brain.action_spec.num_continuous_actions = continuous
    brain.action_spec.num_discrete_actions = len(branches)
    brain.action_spec.discrete_branch_sizes.extend(branches)
    return brain


def record(path: Path, pairs: list[Any], brain: Any | None = None, steps: int | None = None) -> Path:
    header = wire.RecordingHeader(
        demonstration_name="test", number_steps=len(pairs) if steps is None else steps
    )
    write_recording(path, header, parameters() if brain is None else brain, pairs)
    return path
