"""A Gymnasium task whose observation is shown in another form."""

from abc import ABC, abstractmethod
from typing import Any, SupportsFloat

import gymnasium
import numpy as np


class Shown(gymnasium.Env[np.ndarray, Any], ABC):
    """The base of such tasks. A subclass sets `observation_space` and says what is shown.

    Args:
        task: The task itself.
    """

    def __init__(self, task: gymnasium.Env) -> None:
        self._task = task
        self.render_mode, self.metadata = task.render_mode, task.metadata
        self.action_space = task.action_space

    @abstractmethod
    def shown(self, observation: Any) -> np.ndarray:
        """Returns the form in which an observation of the task is shown."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """See `gymnasium.Env.reset`."""
        observation, info = self._task.reset(seed=seed, options=options)
        return self.shown(observation), info

    def step(self, action: Any) -> tuple[np.ndarray, SupportsFloat, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env.step`."""
        observation, reward, terminated, truncated, info = self._task.step(action)
        return self.shown(observation), reward, terminated, truncated, info

    def render(self) -> Any:
        """See `gymnasium.Env.render`."""
        return self._task.render()

    def close(self) -> None:
        """See `gymnasium.Env.close`."""
        self._task.close()
