"""`BaseEnv`s that do one thing wrong."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from mlagents_envs.base_env import (
    ActionTuple,
    BaseEnv,
    BehaviorMapping,
    BehaviorSpec,
    DecisionSteps,
    TerminalSteps,
)

import tests.faults.fault  # noqa: F401 - so that `scripted_env` is found

from scripted_env import make_spec  # isort: skip

LATE = 60
AGENTS = 4
DECISION, TERMINAL = 0, 1
Change = Callable[[list[dict[str, Any]]], Any]
"""Changes the parts of the decision and terminal steps; what it returns, if anything, takes their place."""


class Small(BaseEnv):
    """Four agents with one vector and three actions, whose episodes take five decisions."""

    def __init__(
        self, change: Change = lambda parts: None, late: int = LATE, spec: BehaviorSpec | None = None
    ) -> None:
        self.change, self.late = change, late
        self.spec = spec or make_spec((2,), branches=(3,))
        self.now = 0
        self.closed = False

    @property
    def behavior_specs(self) -> Any:
        return BehaviorMapping({"Small": self.spec})

    def reset(self) -> None:
        self.now += 1

    def step(self) -> None:
        self.now += 1

    def close(self) -> None:
        self.closed = True

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        pass

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        raise AssertionError("actions come for all agents at once")

    def get_steps(self, behavior_name: str) -> Any:
        ended = np.arange(AGENTS if self.now % 5 == 0 else 0)
        parts = [
            self.parts(np.arange(AGENTS)),
            {**self.parts(ended), "interrupted": np.zeros(len(ended), bool)},
        ]
        parts[DECISION]["action_mask"] = None
        if self.now >= self.late:
            instead = self.change(parts)
            if instead is not None:
                return instead
        return DecisionSteps(**parts[DECISION]), TerminalSteps(**parts[TERMINAL])

    def parts(self, ids: np.ndarray) -> dict[str, Any]:
        count = len(ids)
        shapes = [(count, *observation.shape) for observation in self.spec.observation_specs]
        return {
            "obs": [np.zeros(shape, np.float32) for shape in shapes],
            "reward": np.ones(count, np.float32),
            "agent_id": ids.astype(np.int32),
            "group_id": np.zeros(count, np.int32),
            "group_reward": np.zeros(count, np.float32),
        }


def put(which: int, key: str, value: Any) -> Change:
    """Replace a part; a function is given the part that would have come."""

    def change(parts: list[dict[str, Any]]) -> None:
        if len(parts[which]["agent_id"]):
            parts[which][key] = value(parts[which][key]) if callable(value) else copy.deepcopy(value)

    return change


def failing(method: str, error: BaseException, when: int = LATE) -> Small:
    """An environment of which one method raises."""
    env = Small()
    before = getattr(type(env), method)

    def fail(self: Small, *arguments: Any) -> Any:
        if self.now >= when:
            raise error
        return before.fget(self) if isinstance(before, property) else before(self, *arguments)

    parts = {method: property(fail) if isinstance(before, property) else fail}
    env.__class__ = type("Failing", (Small,), parts)
    return env


def as_lists(parts: list[dict[str, Any]]) -> None:
    """Every array as a list."""
    for part in parts:
        for key, value in part.items():
            if value is not None:
                part[key] = [array.tolist() for array in value] if key == "obs" else value.tolist()


def other_types(parts: list[dict[str, Any]]) -> None:
    """Wider types, and ends as integers."""
    for part in parts:
        part["obs"] = tuple(array.astype(np.float64) for array in part["obs"])
        part["reward"], part["agent_id"] = part["reward"].astype(int), part["agent_id"].astype(np.uint8)
    parts[TERMINAL]["interrupted"] = parts[TERMINAL]["interrupted"].astype(int)


def no_groups(parts: list[dict[str, Any]]) -> None:
    for part in parts:
        part["group_id"] = part["group_reward"] = None


def empty_lists(parts: list[dict[str, Any]]) -> None:
    """Nothing but empty lists where nobody is."""
    if not len(parts[TERMINAL]["agent_id"]):
        parts[TERMINAL].update({key: [] for key in parts[TERMINAL]})


def strangers_end(parts: list[dict[str, Any]]) -> None:
    """Agents that never asked end."""
    if not len(parts[TERMINAL]["agent_id"]):
        ids = np.array([100, 101], np.int32)
        parts[TERMINAL].update({**Small().parts(ids), "interrupted": np.zeros(2, bool)})


def nobody(parts: list[dict[str, Any]]) -> Any:
    spec = make_spec((2,), branches=(3,))
    return DecisionSteps.empty(spec), TerminalSteps.empty(spec)


class BadSpec(Small):
    """Its behavior cannot be learned."""

    def __init__(self, spec: BehaviorSpec) -> None:
        super().__init__()
        self.spec = spec

    def get_steps(self, behavior_name: str) -> Any:
        return nobody([])


class BadSpecs(Small):
    """Its `behavior_specs` are something else."""

    def __init__(self, specs: Any) -> None:
        super().__init__()
        self.specs = specs

    @property
    def behavior_specs(self) -> Any:
        return self.specs


class ChangingSpec(Small):
    """It has more actions later."""

    @property
    def behavior_specs(self) -> Any:
        return BehaviorMapping({"Small": self.spec if self.now < LATE else make_spec((2,), branches=(4,))})


class Comes(Small):
    """Its behavior is there only at some steps."""

    def __init__(self, there: Callable[[int], bool]) -> None:
        super().__init__()
        self.there = there

    @property
    def behavior_specs(self) -> Any:
        return BehaviorMapping({"Small": self.spec} if self.there(self.now) else {})
