"""Guards against what would quietly ruin a policy."""

from collections.abc import Sequence

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


def joined_masks(behavior: str, steps: DecisionSteps, branches: Sequence[int]) -> np.ndarray | None:
    """The masks of all branches side by side, (n, sum of branch sizes) bool, True = forbidden; None without masks.

    Raises:
        UserError: an agent may choose nothing in some branch.
    """
    if steps.action_mask is None:
        return None
    forbidden = np.concatenate(list(steps.action_mask), axis=1).astype(np.bool_)
    for branch, part in enumerate(np.split(forbidden, np.cumsum(branches)[:-1], axis=1)):
        stuck = part.all(axis=1)
        if stuck.any():
            raise UserError(
                f"behavior {behavior}, agent {steps.agent_id[stuck.argmax()]}: the action mask forbids every action "
                f"of branch {branch}; leave one allowed, for example one that does nothing"
            )
    return forbidden
