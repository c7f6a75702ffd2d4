"""Atari games through ale_py's own vector environment."""

import math
from collections.abc import Mapping
from typing import Any

import ale_py
import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from gym_adapters.sizes import check_observations, require_memory

PICTURE = {"stack_num": 4, "img_height": 84, "img_width": 84}
"""The options of an observation's shape, and their defaults in ale_py."""

gymnasium.register_envs(ale_py)
ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)


def make_atari(spec: EnvSpec, num_envs: int, options: Mapping[str, Any]) -> VectorEnv:
    """Makes a game as `gymnasium.make_vec` does, with unclipped rewards and resets in the step that ends an episode.

    The environment itself skips four frames, repeats the last action with probability 0.25, stacks four grey
    84 x 84 frames and begins with up to 30 steps without action. None of this may be applied again.

    Args:
        spec: A game registered in the namespace "ALE".
        num_envs: The number of environments.
        options: Keyword arguments of `ale_py.vector_env.AtariVectorEnv`, which override these settings.

    Returns:
        Observations are uint8. Shape: (num_envs, 4, 84, 84). Rewards are int32. `final_obs` is a dense batch.
        With the option `life_loss_info`, each life is an episode, and `take_scores` returns the scores of whole
        games.

    Raises:
        UserError: The options ask for pictures that are too large.
    """
    shape = [options.get(name, usual) for name, usual in PICTURE.items()]
    if all(isinstance(size, int) for size in shape):
        check_observations(f"environment {spec.id!r}, its options", [shape])
        require_memory(num_envs * math.prod(shape), f"{num_envs:,} environments {spec.id!r}", "use fewer")
    settings = {"reward_clipping": False, "autoreset_mode": AutoresetMode.SAME_STEP, **options}
    games = gymnasium.make_vec(spec, num_envs=num_envs, vectorization_mode="vector_entry_point", **settings)
    return WholeGames(games) if settings.get("life_loss_info") else games


class WholeGames(VectorWrapper):
    """Sums the rewards over all lives of a game.

    Args:
        env: Games in which each life is an episode.
    """

    def __init__(self, env: VectorEnv) -> None:
        super().__init__(env)
        self._scores = np.zeros(self.num_envs)
        self._frames = np.zeros(self.num_envs, np.int64)
        self._ended: list[float] = []

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins new games. Unfinished games are not counted."""
        observation, infos = self.env.reset(seed=seed, options=options)
        self._scores[:] = 0.0
        self._frames = infos["episode_frame_number"].copy()
        return observation, infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Steps every game. A game has ended when its frame number decreases."""
        observation, rewards, terminated, truncated, infos = self.env.step(actions)
        self._scores += rewards
        frames = infos["episode_frame_number"].copy()
        over = frames < self._frames
        self._ended += self._scores[over].tolist()
        self._scores[over] = 0.0
        self._frames = frames
        return observation, rewards, terminated, truncated, infos

    def take_scores(self) -> list[float]:
        """Returns the scores of the games that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended
