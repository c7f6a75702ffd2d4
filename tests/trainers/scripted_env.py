"""An environment that follows a plan, so that a test knows every agent's trajectory in advance.

A plan is a list of lives. A life is one episode of one agent: the steps at which it asks for a decision, what each
ask pays for the decision before, and how it ends. Agents ask in shuffled order, skip steps, end and begin again in
the same step, and end without ever having been seen.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from mlagents_envs.base_env import (
    ActionSpec,
    ActionTuple,
    BaseEnv,
    BehaviorMapping,
    BehaviorSpec,
    DecisionSteps,
    DimensionProperty,
    ObservationSpec,
    ObservationType,
    TerminalSteps,
)
from mlagents_envs.exception import UnityActionException

from gym_adapters.actions import checked_actions

LIFE, INDEX, VALUE = 0, 1, 2
"""Columns of the observation: number of the life, number of the visit in it, and what the critic shall say."""


@dataclass(frozen=True)
class Visit:
    """One appearance of an agent: when, what it pays for the decision before, its observation's value, its group."""

    step: int
    reward: float = 0.0
    value: float = 0.0
    group_reward: float = 0.0
    group: int = 0


@dataclass(frozen=True)
class Life:
    """One episode of one agent.

    Attributes:
        agent: its id; lives one after the other may share it.
        visits: where it asks for a decision. What the first one pays belongs to no decision.
        ending: its terminal step; None if it is never heard of again.
        interrupted: whether the ending is a time limit.
    """

    agent: int
    visits: tuple[Visit, ...]
    ending: Visit | None = None
    interrupted: bool = False


@dataclass
class Behavior:
    """What the agents of one behavior look like and do.

    Attributes:
        spec: its one observation is a vector of at least three numbers.
        lives: the plan.
        masked: forbid some of the discrete actions, different ones at every visit.
    """

    spec: BehaviorSpec
    lives: Sequence[Life]
    masked: bool = False
    actions: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the plan by step; the order within a step is shuffled."""
        self.asking: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.ending: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number, life in enumerate(self.lives):
            for index, visit in enumerate(life.visits):
                self.asking[visit.step].append((number, index))
            if life.ending is not None:
                self.ending[life.ending.step].append((number, len(life.visits)))
        for step, rows in (*self.asking.items(), *self.ending.items()):
            np.random.default_rng(step).shuffle(rows)


class ScriptedEnv(BaseEnv):
    """Plays a plan for every behavior, step by step; after the last step of a plan nobody comes any more.

    Attributes:
        behaviors: the plans; `actions` in each holds what agents were told to do, by (life, visit).
        now: the present step.
    """

    def __init__(self, behaviors: Mapping[str, Behavior]) -> None:
        self.behaviors = dict(behaviors)
        self.now = 0

    @property
    def behavior_specs(self) -> BehaviorMapping:
        return BehaviorMapping({name: behavior.spec for name, behavior in self.behaviors.items()})

    def reset(self) -> None:
        self.now = 0

    def step(self) -> None:
        self.now += 1

    def close(self) -> None:
        pass

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        behavior = self._behavior(behavior_name)
        asking, ending = behavior.asking[self.now], behavior.ending[self.now]
        decision = DecisionSteps(
            *_arrays(behavior, asking),
            self._masks(behavior, asking),
            _column(behavior, asking, lambda visit: visit.group, np.int32),
            _column(behavior, asking, lambda visit: visit.group_reward),
        )
        obs, reward, agents = _arrays(behavior, ending)
        terminal = TerminalSteps(
            obs,
            reward,
            np.array([behavior.lives[number].interrupted for number, _ in ending], bool),
            agents,
            _column(behavior, ending, lambda visit: visit.group, np.int32),
            _column(behavior, ending, lambda visit: visit.group_reward),
        )
        return decision, terminal

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        behavior = self._behavior(behavior_name)
        asking = behavior.asking[self.now]
        checked_actions(behavior.spec.action_spec, action, len(asking), behavior_name)
        masks = self._masks(behavior, asking)
        for row, who in enumerate(asking):
            for branch, choice in enumerate(action.discrete[row]):
                assert 0 <= choice < behavior.spec.action_spec.discrete_branches[branch]
                assert masks is None or not masks[branch][row, choice], f"{who} chose a forbidden action"
            behavior.actions[who] = (action.continuous[row].copy(), action.discrete[row].copy())

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        behavior = self._behavior(behavior_name)
        for who in behavior.asking[self.now]:
            if behavior.lives[who[0]].agent == agent_id:
                checked_actions(behavior.spec.action_spec, action, 1, behavior_name)
                behavior.actions[who] = (action.continuous[0].copy(), action.discrete[0].copy())
                return
        raise UnityActionException(f"agent {agent_id} did not ask")

    def _behavior(self, name: str) -> Behavior:
        if name not in self.behaviors:
            raise UnityActionException(f"unknown behavior {name}")
        return self.behaviors[name]

    def _masks(self, behavior: Behavior, asking: list[tuple[int, int]]) -> list[np.ndarray] | None:
        if not behavior.masked:
            return None
        branches = behavior.spec.action_spec.discrete_branches
        return [
            np.array([forbidden(who, branch, size) for who in asking], bool).reshape(-1, size)
            for branch, size in enumerate(branches)
        ]


def forbidden(who: tuple[int, int], branch: int, size: int) -> np.ndarray:
    """True for each action that a visit forbids: any but all of them. Shape: (size,)."""
    rng = np.random.default_rng((*who, branch))
    mask = rng.random(size) < 0.5
    mask[rng.integers(size)] = False
    return mask


def make_spec(
    *shapes: tuple[int, ...],
    continuous: int = 0,
    branches: tuple[int, ...] = (),
    names: Sequence[str] = (),
    goals: Collection[int] = (),
    variable: bool = True,
) -> BehaviorSpec:
    """A behavior with observations of these shapes.

    Args:
        shapes: those of two numbers are lists of entities, if `variable` is true.
        continuous: number of continuous actions.
        branches: choices of each discrete action.
        names: of the observations.
        goals: indices of the observations that are goal signals.
        variable: whether such lists may have less than all of their entities.
    """
    none = DimensionProperty.NONE
    first = {2: DimensionProperty.VARIABLE_SIZE} if variable else {}
    observations = [
        ObservationSpec(
            shape,
            (first.get(len(shape), none), *(none for _ in shape[1:])),
            ObservationType.GOAL_SIGNAL if index in goals else ObservationType.DEFAULT,
            names[index] if names else f"obs{index}",
        )
        for index, shape in enumerate(shapes)
    ]
    return BehaviorSpec(observations, ActionSpec(continuous, branches))


def crowd(agents: int, steps: int, life_length: int, seed: int = 0, interrupted: bool = False) -> list[Life]:
    """Agents that ask at every step, and end and begin again all the time, each at its own moments."""
    rng = np.random.default_rng(seed)
    lives = []
    for agent in range(agents):
        begin, end = 0, int(rng.integers(1, life_length + 1))
        while begin < steps:
            visits = tuple(_random_visit(rng, step) for step in range(begin, end))
            lives.append(Life(agent, visits, _random_visit(rng, end), interrupted))
            begin, end = end, end + life_length
    return lives


def _random_visit(rng: np.random.Generator, step: int) -> Visit:
    return Visit(step, float(rng.normal()), float(rng.normal(5.0, 20.0)))


def _visit(behavior: Behavior, who: tuple[int, int]) -> Visit:
    life = behavior.lives[who[0]]
    visit = (*life.visits, life.ending)[who[1]]
    assert visit is not None
    return visit


def _column(
    behavior: Behavior, rows: list[tuple[int, int]], read: Callable[[Visit], float], dtype: type = np.float32
) -> np.ndarray:
    return np.array([read(_visit(behavior, who)) for who in rows], dtype)


def _arrays(
    behavior: Behavior, rows: list[tuple[int, int]]
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Observations, rewards and ids of these visits."""
    observation = np.zeros((len(rows), behavior.spec.observation_specs[0].shape[0]), np.float32)
    observation[:, LIFE] = [number for number, _ in rows]
    observation[:, INDEX] = [index for _, index in rows]
    observation[:, VALUE] = _column(behavior, rows, lambda visit: visit.value)
    agents = np.array([behavior.lives[number].agent for number, _ in rows], np.int32)
    return [observation], _column(behavior, rows, lambda visit: visit.reward), agents
