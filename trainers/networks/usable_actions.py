"""Refuses actions that are no numbers."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.errors import UserError
from gym_adapters.text import one_line
from trainers.networks.policy_network import ActionSample

LARGE = 1e15
"""Observations of this size are the reason if torch cannot draw an action."""


def usable_actions(
    owner: str, spec: BehaviorSpec, observations: Sequence[np.ndarray], choose: Callable[[], ActionSample]
) -> ActionSample:
    """Return chosen actions, or refuse observations that are too large to be added up in a network.

    Args:
        owner: whose actions they are, for the message.
        spec: observations and actions of the behavior.
        observations: one (n, *shape) array per observation.
        choose: chooses the actions of the n agents.

    Raises:
        UserError: an action is NaN or infinite; the message names the largest observation of its agent.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            sample = choose()
        except RuntimeError:
            sizes = [_size(array) for array in observations]
            if max(sizes, default=0.0) < LARGE:
                raise
            raise _refusal(owner, spec, sizes) from None
        total = float(np.add.reduce(sample.continuous, None)) + float(np.add.reduce(sample.log_prob, None))
        if math.isfinite(total):
            return sample
    wrong = ~np.isfinite(sample.continuous).all(1) | np.isnan(sample.log_prob).any(1)
    if not wrong.any():
        return sample
    row = int(wrong.argmax())
    raise _refusal(owner, spec, [_size(array[row]) for array in observations])


def _size(array: np.ndarray) -> float:
    return float(np.abs(array.astype(np.float64)).max(initial=0.0))


def _refusal(owner: str, spec: BehaviorSpec, sizes: Sequence[float]) -> UserError:
    index = int(np.argmax(sizes))
    name = one_line(spec.observation_specs[index].name or "unnamed", 100)
    return UserError(
        f"{owner}: the policy gives no number for an agent's action; the agent's largest observation is of size "
        f"{sizes[index]:.2g}, in observation {index} ({name}); scale it to about -1 to 1, or train with "
        "network_settings.normalize: true"
    )
