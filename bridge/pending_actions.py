"""Keeps the actions of the last step's agents until the next step sends them."""

import numpy as np
from mlagents_envs.base_env import ActionTuple, BaseEnv
from mlagents_envs.exception import UnityActionException

from gym_adapters.actions import checked_actions


class PendingActions(BaseEnv):
    """Implements `set_actions` and `set_action_for_agent`; subclasses send the actions in `_actions`, by behavior.

    What the caller gives is copied, and neither kept nor changed.
    """

    _actions: dict[str, ActionTuple]

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        """Set the actions of all agents of the last `DecisionSteps`, in that order.

        Args:
            behavior_name: One of `behavior_specs`.
            action: Shapes: (agents, continuous_size) and (agents, branches).
        """
        decisions, _ = self.get_steps(behavior_name)
        spec = self.behavior_specs[behavior_name].action_spec
        action = checked_actions(spec, action, len(decisions), behavior_name)
        self._actions[behavior_name] = ActionTuple(action.continuous.copy(), action.discrete.copy())

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        """Set the action of one agent of the last `DecisionSteps`.

        Args:
            behavior_name: One of `behavior_specs`.
            agent_id: The agent.
            action: Shapes: (1, continuous_size) and (1, branches).
        """
        decisions, _ = self.get_steps(behavior_name)
        rows = np.flatnonzero(decisions.agent_id == agent_id)
        if not len(rows):
            raise UnityActionException(f"agent {agent_id} of {behavior_name} did not ask for a decision")
        spec = self.behavior_specs[behavior_name].action_spec
        action = checked_actions(spec, action, 1, behavior_name)
        actions = self._actions.setdefault(behavior_name, spec.empty_action(len(decisions)))
        actions.continuous[rows[0]], actions.discrete[rows[0]] = action.continuous[0], action.discrete[0]
