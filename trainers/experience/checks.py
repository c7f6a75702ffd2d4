"""Checks of what an environment sends."""

import numpy as np
from mlagents_envs.base_env import DecisionSteps, TerminalSteps

from gym_adapters.errors import UserError


def require_finite(behavior: str, steps: DecisionSteps | TerminalSteps) -> None:
    """Require that observations and rewards are finite.

    Raises:
        UserError: a number is NaN or infinite; the message names the behavior, the agent and the place.
    """
    arrays = [
        ("observation", index, array) for index, array in enumerate(steps.obs) if array.dtype != np.uint8
    ]
    arrays += [("reward", 0, steps.reward), ("group reward", 0, steps.group_reward)]
    for what, index, array in arrays:
        if not np.isfinite(array).all():
            row, *place = np.argwhere(~np.isfinite(array))[0].tolist()
            where = f"{what} {index}, element {place}" if place else what
            raise UserError(
                f"behavior {behavior}, agent {steps.agent_id[row]}: {where} is {array[(row, *place)]}; "
                "expected a finite number; check what the environment computes"
            )
