"""The actions of a batch of agents: their shapes, and random ones."""

from collections.abc import Sequence

import numpy as np
from mlagents_envs.base_env import ActionSpec, ActionTuple
from mlagents_envs.exception import UnityActionException


def checked_actions(spec: ActionSpec, action: ActionTuple, agents: int, behavior: str) -> ActionTuple:
    """Returns the actions, if they have the shapes of a spec.

    Args:
        spec: The actions of the behavior.
        action: Shapes: (agents, continuous_size) and (agents, branches).
        agents: The number of agents that asked for a decision.
        behavior: Its name, for the message.

    Raises:
        UnityActionException: The actions have another shape.
    """
    checked: ActionTuple = spec._validate_action(action, agents, behavior)  # noqa: SLF001 - has no public name
    return checked


def checked_choices(spec: ActionSpec, action: ActionTuple, agents: int, behavior: str) -> ActionTuple:
    """Returns the actions as `checked_actions` does, if each choice lies in its branch too.

    Raises:
        UnityActionException: The actions have another shape, or a choice lies outside its branch.
    """
    checked = checked_actions(spec, action, agents, behavior)
    if ((checked.discrete < 0) | (checked.discrete >= np.array(spec.discrete_branches, int))).any():
        raise UnityActionException(
            f"a discrete action of {behavior} lies outside its branches {spec.discrete_branches}"
        )
    return checked


def random_actions(
    random: np.random.Generator, spec: ActionSpec, agents: int, forbidden: Sequence[np.ndarray] | None
) -> ActionTuple:
    """Returns allowed actions, each with the same probability; continuous ones from [-1, 1).

    Args:
        random: Draws them.
        spec: The actions of the behavior.
        agents: The number of agents.
        forbidden: For each branch whether an action is forbidden, (agents, choices), as in `DecisionSteps`.

    Returns:
        Shapes: float32, (agents, continuous_size), and int32, (agents, branches).
    """
    continuous = random.uniform(-1.0, 1.0, (agents, spec.continuous_size)).astype(np.float32)
    discrete = np.zeros((agents, spec.discrete_size), np.int32)
    for branch, choices in enumerate(spec.discrete_branches):
        wishes = random.random((agents, choices))
        if forbidden is not None:
            wishes[forbidden[branch]] = -1.0
        discrete[:, branch] = wishes.argmax(axis=1)
    return ActionTuple(continuous, discrete)
