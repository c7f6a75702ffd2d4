"""A field with a treasure, seen from above."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

SIDE = 8
MOVES = ((0, 1), (0, -1), (1, 0), (-1, 0))


class Treasure(gymnasium.Env):
    """Walk to the treasure, which lies in a corner, pays 1 and ends the episode.

    The observation is a picture (2, SIDE, SIDE): in the first channel the walker, in the second the treasure.
    """

    observation_space = spaces.Box(0, 255, (2, SIDE, SIDE), np.uint8)
    action_space = spaces.Discrete(len(MOVES))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        self.walker = self.np_random.integers(1, SIDE - 1, size=2)
        self.treasure = self.np_random.integers(2, size=2) * (SIDE - 1)
        return self.picture(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move by one field; the edge holds the walker back."""
        self.walker = np.clip(self.walker + MOVES[action], 0, SIDE - 1)
        found = bool((self.walker == self.treasure).all())
        return self.picture(), float(found), found, False, {}

    def picture(self) -> np.ndarray:
        """What is seen."""
        seen = np.zeros((2, SIDE, SIDE), np.uint8)
        seen[0, *self.walker] = seen[1, *self.treasure] = 255
        return seen


gymnasium.register("Treasure-v0", "treasure_env:Treasure", max_episode_steps=30)
