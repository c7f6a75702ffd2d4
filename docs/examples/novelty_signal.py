"""A bonus for reaching what was seldom seen before.

Source: Tang et al. 2017, "#Exploration: A Study of Count-Based Exploration for Deep Reinforcement Learning", section 2.
"""

from typing import Annotated, Any

import numpy as np
import torch

from trainers.config import RewardSignalSettings, extension, number
from trainers.experience.rows import Rows
from trainers.experience.task import Task
from trainers.rewards.signal import RewardSignal

Bits = Annotated[int, *number("a whole number", ge=1, le=24)]


class NoveltySettings(RewardSignalSettings):
    """A bonus for reaching what was seldom seen before. Typical strength: 0.01-0.1."""

    hash_bits: Bits = extension(
        16, description="Observations are told apart by this many bits. Typical: 10-20."
    )


class Novelty(RewardSignal):
    """Pays strength / sqrt(1 + n) for reaching an observation whose hash was reached n times before.

    Each bit of the hash says on which side of a random plane the observation lies.
    """

    settings_class = NoveltySettings
    settings: NoveltySettings
    beyond_the_end = True

    def __init__(self, name: str, settings: NoveltySettings, task: Task) -> None:
        super().__init__(name, settings, task)
        size = sum(int(np.prod(observation.shape)) for observation in task.spec.observation_specs)
        self.planes = np.random.default_rng(task.seed).normal(size=(size, settings.hash_bits))
        self.counts = np.zeros(2**settings.hash_bits, np.int64)

    def rewards(self, rows: Rows) -> np.ndarray:
        """The bonus of each row, (n,) float32."""
        bonus: np.ndarray = self.strength / np.sqrt(1.0 + self.counts[self.hashes(rows)])
        return bonus.astype(np.float32, copy=False)

    def update(self, rows: Rows) -> dict[str, float]:
        """Count what was reached."""
        np.add.at(self.counts, self.hashes(rows)[rows.settled], 1)
        return {f"Policy/{self.title} Hashes": float(np.count_nonzero(self.counts))}

    def hashes(self, rows: Rows) -> np.ndarray:
        """The hash of what each row led to, (n,) int64."""
        seen = [part.reshape(len(part), -1).astype(np.float64) for part in rows.next_observations]
        sides = np.concatenate(seen, axis=1) @ self.planes > 0.0
        numbers: np.ndarray = sides @ (1 << np.arange(self.settings.hash_bits))
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """The planes and the counts."""
        return {"planes": torch.from_numpy(self.planes), "counts": torch.from_numpy(self.counts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.planes[...], self.counts[...] = state["planes"].numpy(), state["counts"].numpy()
