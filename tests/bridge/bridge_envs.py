"""Small Gymnasium environments for players, such as `bridge_envs:Count-v0`."""

import os
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Count(gymnasium.Env):
    """Counts its steps; pays the count; ends after 5 steps if the first action was 1, and never otherwise."""

    observation_space = spaces.Box(0, 1000, (2,), np.float32)
    action_space = spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.steps, self.last = 0, 0
        return self._observe()

    def step(self, action: Any) -> Any:
        self.steps, self.last = self.steps + 1, int(action)
        observation, info = self._observe()
        return observation, float(self.steps), self.steps == 5 and self.last == 1, False, info

    def _observe(self) -> Any:
        mask = np.array([1, 1, self.steps % 2], np.int8)
        return np.array([self.steps, self.last], np.float32), {"action_mask": mask}


class Stuck(Count):
    """Writes that it is being closed, and fails to."""

    def close(self) -> None:
        os.write(1, b"closing\n")
        raise RuntimeError("stuck")


class Broken(Count):
    """Fails in its third step."""

    def step(self, action: Any) -> Any:
        if self.steps == 2:
            raise self.failure("no fuel")
        return super().step(action)

    def __init__(self, leaves: bool = False) -> None:
        self.failure = SystemExit if leaves else RuntimeError


class Pixels(gymnasium.Env):
    """An RGB image with a different value at every place, and a vector."""

    observation_space = spaces.Dict(
        {"camera": spaces.Box(0, 255, (8, 10, 3), np.uint8), "speed": spaces.Box(-1, 1, (1,), np.float32)}
    )
    action_space = spaces.Box(-2, 2, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        return self._observe(np.zeros(2)), {}

    def step(self, action: Any) -> Any:
        return self._observe(action), float(action.sum()), False, False, {}

    @staticmethod
    def _observe(action: np.ndarray) -> dict[str, np.ndarray]:
        return {"camera": pixels(), "speed": np.array([action[0] / 2], np.float32)}


def pixels() -> np.ndarray:
    """Shape: (8, 10, 3), uint8."""
    return np.arange(240, dtype=np.uint8).reshape(8, 10, 3)


gymnasium.register("Broken-v0", Broken)
gymnasium.register("Count-v0", Count)
gymnasium.register("Pixels-v0", Pixels)
gymnasium.register("Stuck-v0", Stuck)
