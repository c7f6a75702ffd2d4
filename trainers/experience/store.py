"""What a learner asks of the place where decisions are kept: one row per decision, linked to the agent's next."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

NO_ROW = -1


class Store(Protocol):
    """Rows of one behavior. A row is opened when an agent asks for a decision, and closed when its reward comes."""

    def open(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """Append rows that wait for an action and a reward.

        Args:
            observations: one (n, *shape) array per observation.
            forbidden: (n, sum of branch sizes) bool, or None where everything is allowed.
            previous: (n,) each agent's row before this one, -1 where its episode begins.

        Returns:
            Numbers of the new rows, (n,).
        """

    def act(
        self, rows: np.ndarray, continuous: np.ndarray, discrete: np.ndarray, log_prob: np.ndarray
    ) -> None:
        """Fill in the actions chosen for open rows."""

    def close(
        self, rows: np.ndarray, reward: np.ndarray, next_row: np.ndarray | int, cut: np.ndarray | bool
    ) -> None:
        """Pay rows their reward, (n, streams), and link them to what follows; -1 after a true end."""


class NoStore:
    """A store that keeps nothing, for who only acts."""

    def open(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `Store.open`; rows are all the same."""
        return np.zeros(len(observations[0]), np.int64)

    def act(
        self, rows: np.ndarray, continuous: np.ndarray, discrete: np.ndarray, log_prob: np.ndarray
    ) -> None:
        """See `Store.act`."""

    def close(
        self, rows: np.ndarray, reward: np.ndarray, next_row: np.ndarray | int, cut: np.ndarray | bool
    ) -> None:
        """See `Store.close`."""
