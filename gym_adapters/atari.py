"""Atari games through ale_py's own vector environment."""

from collections.abc import Mapping
from typing import Any

import ale_py
import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv

gymnasium.register_envs(ale_py)
ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)


def make_atari(spec: EnvSpec, num_envs: int, options: Mapping[str, Any]) -> VectorEnv:
    """Makes a game as `gymnasium.make_vec` does, with unclipped rewards and resets in the step that ends.

    The environment itself skips four frames, repeats the last action with probability 0.25, stacks four grey
    84 x 84 frames and begins with up to 30 idle steps; nothing of this may be done again.

    Args:
        spec: A game registered in the namespace "ALE".
        num_envs: How many environments.
        options: Keyword arguments of `ale_py.vector_env.AtariVectorEnv`, which override these settings.

    Returns:
        Observations are uint8. Shape: (num_envs, 4, 84, 84). Rewards are int32, terminated games give the
        dense form of `final_obs`.
    """
    settings = {"reward_clipping": False, "autoreset_mode": AutoresetMode.SAME_STEP, **options}
    return gymnasium.make_vec(spec, num_envs=num_envs, vectorization_mode="vector_entry_point", **settings)
