"""The shapes of actions."""

from mlagents_envs.base_env import ActionSpec, ActionTuple


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
