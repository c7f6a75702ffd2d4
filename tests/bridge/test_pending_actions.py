"""The actions that wait for the next step of a player are the environment's own."""

import numpy as np
from mlagents_envs.base_env import (
    ActionSpec,
    ActionTuple,
    BehaviorMapping,
    BehaviorSpec,
    DecisionSteps,
    TerminalSteps,
)

from bridge.pending_actions import PendingActions

SPEC = BehaviorSpec([], ActionSpec(1, (3,)))


class Waiting(PendingActions):
    """Two agents ask for a decision."""

    behavior_specs = BehaviorMapping({"Crowd": SPEC})

    def __init__(self) -> None:
        self._actions = self.waiting = dict[str, ActionTuple]()

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        nothing, agents = np.zeros(2, np.float32), np.array([7, 9])
        return DecisionSteps([], nothing, agents, None, agents, nothing), TerminalSteps.empty(SPEC)

    reset = step = close = lambda self: None


def test_the_callers_action_is_neither_kept_nor_changed() -> None:
    env = Waiting()
    continuous, discrete = np.zeros((2, 1), np.float32), np.ones((2, 1), np.int32)
    continuous.flags.writeable = False
    env.set_actions("Crowd", ActionTuple(continuous, discrete))
    env.set_action_for_agent("Crowd", 9, ActionTuple(np.ones((1, 1)), np.array([[2]])))
    assert discrete.tolist() == [[1], [1]]
    discrete[:] = 0
    waiting = env.waiting["Crowd"]
    assert (waiting.continuous.tolist(), waiting.discrete.tolist()) == ([[0], [1]], [[1], [2]])
