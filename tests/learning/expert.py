"""Demonstrations of an agent that always walks to its goal."""

import importlib
from pathlib import Path

import numpy as np
from worlds import BEST, COST, Line

EPISODES = 20


def demonstrate(line: Line, path: Path, name: str = "Line", seed: int = 0) -> None:
    """Write a .demo file. Continuous actions are as far as an action may go, as ML-Agents' expert walks."""
    demonstrations = importlib.import_module("bridge.demonstrations")
    continuous, branches = line.actions
    length, rng = int(np.ceil(1.0 / line.stride - 1e-9)), np.random.default_rng(seed)
    runs = []
    for _ in range(EPISODES):
        goal = float(rng.choice([-1.0, 1.0]))
        seen = [line.see(goal, age) for age in range(length + 1)]
        reward = np.full(length, -COST, np.float32)
        reward[-1] = BEST
        runs.append(
            demonstrations.Trajectory(
                tuple(np.stack(each) for each in zip(*seen, strict=True)),
                np.full((length, continuous), goal, np.float32),
                np.full((length, branches), int(goal > 0), np.int64),
                np.zeros((length, 2 * branches), bool),
                reward,
                ended=True,
            )
        )
    demonstrations.write_demonstrations(
        path, demonstrations.Demonstrations(str(path), name, line.spec, tuple(runs))
    )
