"""MiniGrid's tasks, with what the agent sees as one vector of zeros and ones.

`gym_adapters.minigrid:Grid-v0` takes the option `task`, an id such as MiniGrid-MemoryS9-v0, and further options of
the task. MiniGrid itself numbers objects, colours and states, and a network would take a ball for more of a key. The
mission is left out. It needs the extra `minigrid`.
"""

import importlib
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.spaces import MultiBinary

from gym_adapters.errors import UserError

SIZES = (11, 6, 3, 4)
"""How many kinds of objects, colours, states of doors and directions of the agent there are."""


class Grid(gymnasium.Env[np.ndarray, Any]):
    """A MiniGrid task whose observation is one-hot: each cell's object, colour and state, then the agent's direction.

    Args:
        task: The id of the task.
        render_mode: See `gymnasium.Env`.
        options: Options of the task.

    Raises:
        ImportError: MiniGrid is not installed.
        UserError: The id is not MiniGrid's, or the task does not show the cells before the agent.
    """

    def __init__(self, task: str, render_mode: str | None = None, **options: Any) -> None:
        importlib.import_module("minigrid")  # registers the tasks
        if task not in gymnasium.registry or not task.startswith(("MiniGrid-", "BabyAI-")):
            raise UserError(f"task {task}: expected an id of MiniGrid, such as MiniGrid-MemoryS9-v0")
        self._task = gymnasium.make(task, render_mode=render_mode, disable_env_checker=True, **options)
        self.render_mode, self.metadata = render_mode, self._task.metadata
        seen = self._task.observation_space
        grid = seen["image"].shape if isinstance(seen, gymnasium.spaces.Dict) else None
        if grid is None or grid[2:] != (3,):
            raise UserError(
                f"task {task}: expected an observation with the cells before the agent, got {seen}"
            )
        sizes = np.array([*(grid[0] * grid[1] * SIZES[:3]), SIZES[3]])
        self._firsts, self._total = np.cumsum(sizes) - sizes, int(sizes.sum())
        self.observation_space = MultiBinary(self._total)
        self.action_space = self._task.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """See `gymnasium.Env.reset`."""
        observation, info = self._task.reset(seed=seed, options=options)
        return self._one_hot(observation), info

    def step(self, action: Any) -> tuple[np.ndarray, SupportsFloat, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env.step`."""
        observation, reward, terminated, truncated, info = self._task.step(action)
        return self._one_hot(observation), reward, terminated, truncated, info

    def render(self) -> Any:
        """See `gymnasium.Env.render`."""
        return self._task.render()

    def close(self) -> None:
        """See `gymnasium.Env.close`."""
        self._task.close()

    def _one_hot(self, observation: dict[str, Any]) -> np.ndarray:
        numbers = np.append(observation["image"].ravel(), observation["direction"])
        result = np.zeros(self._total, np.int8)
        result[self._firsts + numbers] = 1
        return result


gymnasium.register("Grid-v0", entry_point="gym_adapters.minigrid:Grid")
