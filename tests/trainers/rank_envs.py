"""An environment in which one rank meets with a misfortune: `--env rank_envs:Misfortune-v0`."""

import os
import signal
import time
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium import spaces

RANK = int(os.environ.get("RANK", "0"))


class Misfortune(gymnasium.Env):
    """Episodes of four steps. At step `at` of rank 1, `what` happens, once only if `marker` names a file.

    Rank 1 takes `slow` seconds for a step. Each rank writes how many steps it made into the folder `tally`.
    """

    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(
        self,
        what: str = "",
        at: int = 150,
        marker: str = "",
        wider: bool = False,
        slow: float = 0.0,
        tally: str = "",
    ) -> None:
        self.slow, self.tally = slow, tally
        self.what, self.at, self.marker = what, at, Path(marker) if marker else None
        self.steps = 0
        if wider and RANK == 1:
            self.observation_space = spaces.Box(-1.0, 1.0, (3,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        return self._look(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.steps += 1
        if RANK == 1:
            time.sleep(self.slow)
        if RANK == 1 and self.steps == self.at and not (self.marker and self.marker.exists()):
            if self.marker:
                self.marker.touch()
            self._suffer()
        return self._look(), float(action), self.steps % 4 == 0, False, {}

    def close(self) -> None:
        if self.tally:
            (Path(self.tally) / str(RANK)).write_text(str(self.steps))

    def _suffer(self) -> None:
        if self.what == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.what == "stopped":
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.what == "hangs":
            time.sleep(60)
        elif self.what == "raises":
            raise RuntimeError("no luck today")

    def _look(self) -> np.ndarray:
        return self.np_random.uniform(-1.0, 1.0, self.observation_space.shape).astype(np.float32)


gymnasium.register("Misfortune-v0", Misfortune)
