"""Tasks that show a part of their observation, so that a policy has to remember the rest.

`gym_adapters.partial:Partial-v0` takes the options `task`, a Gymnasium id whose observation is a vector, and `hidden`,
the places of the numbers that are left out: [1, 3] hides the two velocities of CartPole-v1.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from gym_adapters.errors import UserError


class Partial(gymnasium.ObservationWrapper[np.ndarray, Any, Any]):
    """A Gymnasium task without some of the numbers of its observation.

    Args:
        task: The id of the task. It names no module, so that a run's options import none.
        hidden: The places of the numbers that are left out; the first is 0.
        render_mode: See `gymnasium.Env`.
        options: Options of the task.

    Raises:
        UserError: The task's id names a module, its observation is no vector, or `hidden` has other places, or all.
    """

    def __init__(
        self, task: str, hidden: Sequence[int], render_mode: str | None = None, **options: Any
    ) -> None:
        if ":" in task:
            raise UserError(f"task {task}: expected a registered Gymnasium id, without a module")
        super().__init__(gymnasium.make(task, render_mode=render_mode, **options))
        whole = self.env.observation_space
        if not isinstance(whole, Box) or len(whole.shape) != 1:
            raise UserError(f"task {task}: expected an observation that is one vector, got {whole}")
        places = range(whole.shape[0])
        if not set(hidden) < set(places):
            raise UserError(
                f"hidden is {list(hidden)}; expected some, but not all, of the places 0 to {places[-1]} of {task}"
            )
        self._shown = np.setdiff1d(places, hidden)
        self.observation_space = Box(whole.low[self._shown], whole.high[self._shown], dtype=np.float32)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """See `gymnasium.ObservationWrapper.observation`. Shape: (numbers that are not hidden,), float32."""
        part: np.ndarray = observation[self._shown].astype(np.float32)
        return part


gymnasium.register("Partial-v0", entry_point="gym_adapters.partial:Partial")
