"""MiniGrid's tasks, with what the agent sees as one vector of zeros and ones.

`gym_adapters.minigrid:Grid-v0` takes the option `task`, an id such as MiniGrid-MemoryS9-v0, and further options of
the task. With `actions: 3`, the agent turns left, turns right and goes forward, and can do nothing else. With
`kinds: true`, the vector says too which kinds of objects are in view, so that a network which has learned what a key
means in one cell knows it in all cells. MiniGrid itself numbers objects, colours and states, and a network would take
a ball for more of a key. The mission is left out. It needs the extra `minigrid`.
"""

import importlib
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete, MultiBinary

from gym_adapters.errors import UserError

SIZES = (11, 6, 3, 4)
"""How many kinds of objects, colours, states of doors and directions of the agent there are."""


class Grid(gymnasium.ObservationWrapper[np.ndarray, Any, Any]):
    """A MiniGrid task whose observation is one-hot: each cell's object, colour and state, then the agent's direction.

    Args:
        task: The id of the task.
        actions: How many of MiniGrid's actions the agent has, from the first one on; None: all.
        kinds: Whether one number for each kind of object follows: whether at least one is in view.
        render_mode: See `gymnasium.Env`.
        options: Options of the task.

    Raises:
        ImportError: MiniGrid is not installed.
        UserError: The id is not MiniGrid's, the task does not show the cells before the agent, it has fewer actions,
            or `kinds` is neither true nor false.
    """

    def __init__(
        self,
        task: str,
        actions: int | None = None,
        kinds: bool = False,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        importlib.import_module("minigrid")  # registers the tasks
        if task not in gymnasium.registry or not task.startswith(("MiniGrid-", "BabyAI-")):
            raise UserError(f"task {task}: expected an id of MiniGrid, such as MiniGrid-MemoryS9-v0")
        super().__init__(gymnasium.make(task, render_mode=render_mode, disable_env_checker=True, **options))
        seen = self.env.observation_space
        grid = seen["image"].shape if isinstance(seen, gymnasium.spaces.Dict) else None
        if grid is None or grid[2:] != (3,):
            raise UserError(
                f"task {task}: expected an observation with the cells before the agent, got {seen}"
            )
        if actions is not None:
            self.action_space = _first_actions(self.env.action_space, actions)
        if type(kinds) is not bool:
            raise UserError(f"kinds {kinds}: expected true or false")
        sizes = np.array([*(grid[0] * grid[1] * SIZES[:3]), SIZES[3]])
        self._firsts: np.ndarray = np.cumsum(sizes) - sizes
        self._ones: int = int(sizes.sum())
        self._kinds: bool = kinds
        self._total: int = self._ones + kinds * SIZES[0]
        self.observation_space = MultiBinary(self._total)

    def observation(self, observation: dict[str, Any]) -> np.ndarray:
        """See `gymnasium.ObservationWrapper.observation`. Shape: (numbers,), int8."""
        cells = observation["image"]
        result = np.zeros(self._total, np.int8)
        result[self._firsts + np.append(cells.ravel(), observation["direction"])] = 1
        if self._kinds:
            result[self._ones + cells[..., 0].ravel()] = 1
        return result


def _first_actions(space: gymnasium.Space, actions: Any) -> Discrete:
    assert isinstance(space, Discrete)
    if type(actions) is not int or not 2 <= actions <= space.n:
        raise UserError(f"actions {actions}: expected a whole number from 2 to {space.n}")
    return Discrete(actions)


gymnasium.register("Grid-v0", entry_point="gym_adapters.minigrid:Grid")
