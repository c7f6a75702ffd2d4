"""What an actor asks of the place where decisions are kept: one row per decision, linked to the agent's next row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from trainers.networks.policy_network import ActionSample

NO_ROW = -1


@dataclass(frozen=True)
class StepResult:
    """What came of n decisions.

    Attributes:
        rows: (n,) the rows of the decisions.
        reward: (n,) float32, each agent's own reward.
        group_reward: (n,) float32, the reward of each agent's group.
        next_row: (n,) the row of each agent's next decision, or of its last observation where its episode ended.
        ending: (n,) int8, an `Ending` each.
    """

    rows: np.ndarray
    reward: np.ndarray
    group_reward: np.ndarray
    next_row: np.ndarray
    ending: np.ndarray


class Store(Protocol):
    """Rows of one behavior. A row is appended when an agent asks for a decision, and settled when its reward comes."""

    def append(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """Add rows that wait for an action and a reward.

        The last observation of an episode is such a row too; it lends its value and is never learned from.

        Args:
            observations: one (n, *shape) array per observation.
            forbidden: (n, sum of branch sizes) bool, or None where everything is allowed.
            previous: (n,) each agent's row before this one, -1 where its episode begins.

        Returns:
            Numbers of the new rows, (n,).
        """

    def decide(self, rows: np.ndarray, sample: ActionSample) -> None:
        """Fill in the actions chosen for rows."""

    def settle(self, result: StepResult) -> None:
        """Fill in rewards and what follows."""


class NoStore:
    """A store that keeps nothing, for actors that are not learned from."""

    def append(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `Store.append`; rows are all the same."""
        return np.zeros(len(observations[0]), np.int64)

    def decide(self, rows: np.ndarray, sample: ActionSample) -> None:
        """See `Store.decide`."""

    def settle(self, result: StepResult) -> None:
        """See `Store.settle`."""
