"""Guards against what would quietly ruin a policy."""

import numpy as np
from mlagents_envs.base_env import DecisionSteps, TerminalSteps

from gym_adapters.errors import UserError


def require_finite(behavior: str, steps: DecisionSteps | TerminalSteps) -> None:
    """Refuse NaN and infinity from an environment.

    Raises:
        UserError: names behavior, agent and place of the first bad number.
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
                "a finite number was expected: look at the environment"
            )
