"""Demonstrations of an agent that always walks to its goal."""

from pathlib import Path

import numpy as np
from worlds import BEST, COST, Line

from tests.shown import episode, write_shown

EPISODES = 20


def demonstrate(line: Line, path: Path, name: str = "Line", seed: int = 0) -> None:
    """Write a .demo file. Continuous actions are as far as an action may go, as ML-Agents' expert walks."""
    continuous, branches = line.actions
    length, rng = int(np.ceil(1.0 / line.stride - 1e-9)), np.random.default_rng(seed)
    runs = []
    for _ in range(EPISODES):
        goal = float(rng.choice([-1.0, 1.0]))
        seen = [line.see(goal, age) for age in range(length + 1)]
        reward = np.full(length, -COST, np.float32)
        reward[-1] = BEST
        runs.append(
            episode(
                line.spec,
                [np.stack(each) for each in zip(*seen, strict=True)],
                np.full((length, continuous), goal),
                np.full((length, branches), goal > 0),
                reward=reward,
            )
        )
    write_shown(path, line.spec, *runs, name=name)
