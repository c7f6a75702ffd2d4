"""A world so small that a policy learns it in seconds: move to the end of a line that an observation names.

An agent stands at 0 on one line for each action, and sees a goal of -1 or 1. An action moves it by at most `stride`;
a discrete one chooses the direction. The episode ends when it stands at an end of every line. It earns the mean over
lines of end times goal, a little more than 1 at best, and each decision before costs 0.01. The rules and the sizes are
those by which ML-Agents tests its trainers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from mlagents_envs.base_env import (
    ActionTuple,
    BaseEnv,
    BehaviorMapping,
    BehaviorSpec,
    DecisionSteps,
    TerminalSteps,
)
from mlagents_envs.exception import UnityCommunicatorStoppedException

from gym_adapters.actions import checked_actions
from tests.trainers.scripted_env import make_spec

COST, BEST = 0.01, 1.06
LAST = 20
"""Episodes whose mean counts, or half of them if there are fewer than twice as many."""


@dataclass(frozen=True)
class Line:
    """What a world is like.

    Attributes:
        actions: numbers of continuous actions and of discrete branches, of two choices each.
        vectors: observations of one number. All observations hold the goal, wherever they hold anything.
        images: observations of shape `image`.
        entities: lists of ten entities of five numbers.
        image: shape of the images.
        goal_signals: indices of the observations that are goal signals.
        stride: the longest step.
        shown: decisions at the beginning of an episode in which the goal is seen; None for all.
        members: agents in a group; 1 for agents on their own. The last one to end brings its reward to all.
    """

    actions: tuple[int, int] = (1, 0)
    vectors: int = 1
    images: int = 0
    entities: int = 0
    image: tuple[int, int, int] = (3, 20, 20)
    goal_signals: tuple[int, ...] = ()
    stride: float = 0.2
    shown: int | None = None
    members: int = 1

    @property
    def spec(self) -> BehaviorSpec:
        """The behavior."""
        shapes = [(1,)] * self.vectors + [self.image] * self.images + [(10, 5)] * self.entities
        continuous, branches = self.actions
        return make_spec(*shapes, continuous=continuous, branches=(2,) * branches, goals=self.goal_signals)

    def see(self, goal: float, age: int) -> list[np.ndarray]:
        """Observations of one agent after so many decisions."""
        seen = goal if self.shown is None or age < self.shown else 0.0
        return [np.full(observed.shape, seen, np.float32) for observed in self.spec.observation_specs]


@dataclass
class Walker:
    """An agent, and how it has fared."""

    id: int
    goal: float
    places: np.ndarray
    age: int = 0
    reward: float = 0.0
    group_reward: float = 0.0
    done: bool = False


@dataclass
class _Walkers:
    """The agents of a behavior."""

    living: list[Walker] = field(default_factory=list)
    ended: list[Walker] = field(default_factory=list)


class LineWorld(BaseEnv):
    """One agent, or one group, of each behavior.

    Args:
        line: what the world is like.
        names: the behaviors.
        seed: of the goals.
        enough: what all behaviors must earn on average for the world to end the run; None to go on.

    Attributes:
        rewards: what each agent earned in its last decision, its group's reward included, by behavior and in order.
    """

    def __init__(
        self, line: Line, names: Sequence[str] = ("Line",), seed: int = 0, enough: float | None = None
    ) -> None:
        self.line, self.spec, self.names, self.enough = line, line.spec, tuple(names), enough
        self.rng = np.random.default_rng(seed)
        self.rewards: dict[str, list[float]] = {name: [] for name in names}
        self.next_id = 0

    @property
    def behavior_specs(self) -> BehaviorMapping:
        return BehaviorMapping(dict.fromkeys(self.names, self.spec))

    def earned(self) -> dict[str, float]:
        """The mean of each behavior's last rewards."""
        return {
            name: float(np.mean(rewards[-min(LAST, len(rewards) // 2) :]))
            for name, rewards in self.rewards.items()
        }

    def reset(self) -> None:
        self.walkers = {name: _Walkers(self._born()) for name in self.names}

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        walkers = self.walkers[behavior_name]
        asking = [walker for walker in walkers.living if not walker.done]
        obs, reward, ids, group, group_reward = self._columns(asking)
        decision = DecisionSteps(obs, reward, ids, None, group, group_reward)
        obs, reward, ids, group, group_reward = self._columns(walkers.ended)
        interrupted = np.zeros(len(walkers.ended), bool)
        return decision, TerminalSteps(obs, reward, interrupted, ids, group, group_reward)

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        walkers = self.walkers[behavior_name]
        asking = [walker for walker in walkers.living if not walker.done]
        checked_actions(self.spec.action_spec, action, len(asking), behavior_name)
        steps = np.concatenate([action.continuous, 2.0 * action.discrete - 1.0], axis=1)
        for walker, step in zip(asking, steps.clip(-self.line.stride, self.line.stride), strict=True):
            walker.places = (walker.places + step).clip(-1.0, 1.0)
            walker.age += 1

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        raise AssertionError("actions come for all agents at once")

    def step(self) -> None:
        enough_seen = all(len(each) > 2 * LAST for each in self.rewards.values())
        if self.enough is not None and enough_seen and min(self.earned().values()) > self.enough:
            raise UnityCommunicatorStoppedException("learned")
        for name, walkers in self.walkers.items():
            asking = [walker for walker in walkers.living if not walker.done]
            walkers.ended = []
            for walker in asking:
                walker.done = bool((np.abs(walker.places) >= 1.0 - 1e-6).all())
                walker.reward, walker.group_reward = -COST, 0.0
                if walker.done:
                    walkers.ended.append(walker)
            for walker in walkers.ended:
                earned = BEST * float(walker.places.mean()) * walker.goal
                last = walker is walkers.ended[-1] and all(each.done for each in walkers.living)
                if self.line.members == 1:
                    walker.reward = earned
                elif last:  # for the whole group
                    walker.reward, walker.group_reward = 0.0, earned
                else:
                    walker.reward = min(-COST, earned)
                self.rewards[name].append(earned)
            if all(walker.done for walker in walkers.living):
                walkers.living = self._born()

    def close(self) -> None:
        pass

    def _born(self) -> list[Walker]:
        """Agents at the beginning of an episode, with new ids and goals of their own."""
        first, self.next_id = self.next_id, self.next_id + self.line.members
        size = sum(self.line.actions)
        return [
            Walker(number, float(self.rng.choice([-1.0, 1.0])), np.zeros(size))
            for number in range(first, self.next_id)
        ]

    def _columns(self, walkers: list[Walker]) -> tuple[list[np.ndarray], *tuple[np.ndarray, ...]]:
        """Observations, rewards, ids, group ids and group rewards."""
        seen = [self.line.see(walker.goal, walker.age) for walker in walkers]
        obs = [
            np.array([each[index] for each in seen], np.float32).reshape(len(walkers), *observed.shape)
            for index, observed in enumerate(self.spec.observation_specs)
        ]
        return (
            obs,
            np.array([walker.reward for walker in walkers], np.float32),
            np.array([walker.id for walker in walkers], np.int32),
            np.full(len(walkers), int(self.line.members > 1), np.int32),
            np.array([walker.group_reward for walker in walkers], np.float32),
        )
