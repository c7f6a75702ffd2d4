"""A PettingZoo environment whose episode is drawn while it is played."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gym_adapters.errors import UserError, raised
from gym_adapters.film import DEFAULT_FPS, render_without_display
from gym_adapters.parallel_env import ParallelEnvAdapter
from gym_adapters.pettingzoo import adapter_arguments


class FilmedAgents(ParallelEnvAdapter):
    """One copy of a PettingZoo environment that hands on a picture of each state before it is stepped.

    States in which an agent's episode has just ended are left out, since the copy may have begun a new one.

    Args:
        env_id: `package/module_vN`.
        seed: of the copy.
        options: as for `make_pettingzoo`.

    Attributes:
        fps: pictures per second at the speed of the task.
        show: called with each picture, (height, width, 3) uint8; None drops them.

    Raises:
        UserError: the environment cannot be made, or draws no pictures.
    """

    def __init__(self, env_id: str, seed: int, options: Mapping[str, Any]) -> None:
        render_without_display()
        self._env_id = env_id
        self.show: Callable[[np.ndarray], None] | None = None
        super().__init__(*adapter_arguments(env_id, 1, seed, {**options, "render_mode": "rgb_array"}))
        metadata = getattr(self.copies[0], "metadata", None) or {}
        self.fps = float(metadata.get("render_fps") or DEFAULT_FPS)

    def picture(self) -> np.ndarray:
        """Return a picture of the present state.

        Raises:
            UserError: the environment fails, or draws none.
        """
        try:
            found = self.copies[0].render()
        except (Exception, SystemExit) as error:
            raise UserError(f"{self._env_id}: draws no pictures: {raised(error)}") from error
        if not isinstance(found, np.ndarray) or found.ndim != 3:
            raise UserError(f"{self._env_id}: draws no pictures: render() gave {type(found).__name__}")
        return found

    def step(self) -> None:
        """Show the present state, and step."""
        if self.show is not None and not any(len(self.get_steps(name)[1]) for name in self.roles):
            self.show(self.picture())
        super().step()
