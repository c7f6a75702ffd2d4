"""The interface of a store of decisions: one row per decision, linked to the agent's next row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from mlagents_envs.base_env import BehaviorSpec

from trainers.networks.policy_network import ActionSample

NO_ROW = -1
"""Stands for the row before or after a decision where there is none."""


@dataclass(frozen=True)
class StepResult:
    """The results of n decisions.

    Attributes:
        rows: (n,) rows of the decisions.
        reward: (n,) float32, the agents' own rewards.
        group_reward: (n,) float32, the rewards of the agents' groups.
        next_row: (n,) row of each agent's next decision, or of its last observation if its episode ended.
        ending: (n,) int8, an `Ending` each.
    """

    rows: np.ndarray
    reward: np.ndarray
    group_reward: np.ndarray
    next_row: np.ndarray
    ending: np.ndarray


@dataclass(frozen=True)
class Groupmates:
    """The groupmates of n agents.

    Attributes:
        rows: (n,) rows of the agents' decisions, or of last observations.
        mates: (n, most) newest row of each groupmate; -1 fills the lines of smaller groups.
        gone: (n,) bool, whether the agent itself is no longer among the group, because its episode terminated while
            that of a groupmate goes on.
    """

    rows: np.ndarray
    mates: np.ndarray
    gone: np.ndarray


def empty_columns(spec: BehaviorSpec, capacity: int) -> dict[str, np.ndarray]:
    """Return what every store keeps of rows besides observations, for so many of them, by name."""
    branches = spec.action_spec.discrete_branches
    return {
        "continuous": np.zeros((capacity, spec.action_spec.continuous_size), np.float32),
        "discrete": np.zeros((capacity, len(branches)), np.int64),
        "forbidden": np.zeros((capacity, sum(branches)), np.bool_),
        "reward": np.zeros(capacity, np.float32),
        "group_reward": np.zeros(capacity, np.float32),
        "next_row": np.full(capacity, NO_ROW, np.int64),
        "ending": np.zeros(capacity, np.int8),
        "settled": np.zeros(capacity, np.bool_),
    }


class Store(Protocol):
    """The rows of one behavior.

    A row is appended when an agent requests a decision, and is settled when the decision's reward arrives.

    Attributes:
        settled_rows: number of rows that can be learned from.
    """

    settled_rows: int

    def append(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None = None,
        previous: np.ndarray | None = None,
        memory: np.ndarray | None = None,
    ) -> np.ndarray:
        """Add rows, whose actions and rewards follow later.

        The last observation of an episode is a row too. Only its value is used; it is never learned from.

        Args:
            observations: one (n, *shape) array per observation.
            forbidden: (n, sum of branch sizes) bool, True where an action is forbidden; None if none is.
            previous: (n,) each agent's previous row; -1 where an episode begins.
            memory: (n, memory_size) what each agent remembers; None for a policy without memory.

        Returns:
            Numbers of the new rows, (n,).
        """

    def note_groupmates(self, groupmates: Groupmates) -> None:
        """Store who the groupmates of rows are. Called for learners that look at them (`Mind.sees_mates`)."""

    def decide(self, rows: np.ndarray, sample: ActionSample) -> None:
        """Store the actions chosen for rows, (n,)."""

    def settle(self, result: StepResult) -> None:
        """Store the results of decisions."""


class NoStore:
    """A store that keeps nothing, for actors that do not learn."""

    settled_rows = 0

    def append(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None = None,
        previous: np.ndarray | None = None,
        memory: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `Store.append`. All rows have the number 0."""
        return np.zeros(len(observations[0]), np.int64)

    def note_groupmates(self, groupmates: Groupmates) -> None:
        """See `Store.note_groupmates`."""

    def decide(self, rows: np.ndarray, sample: ActionSample) -> None:
        """See `Store.decide`."""

    def settle(self, result: StepResult) -> None:
        """See `Store.settle`."""
