"""Sums of rewards over episodes, from rows."""

import numpy as np

from trainers.maths.returns import Ending, episode_sums


class EpisodeSums:
    """Sums the rewards of streams over the episodes of agents whose rows arrive in parts.

    Args:
        streams: number of streams.

    Attributes:
        rows: (m,) numbers of the agents' rows that wait for a reward, ascending.
        sums: (m, streams) sums of their episodes so far.
    """

    def __init__(self, streams: int) -> None:
        self.rows = np.zeros(0, np.int64)
        self.sums = np.zeros((0, streams))

    def add(
        self,
        rows: np.ndarray,
        reward: np.ndarray,
        next_row: np.ndarray,
        ending: np.ndarray,
        settled: np.ndarray,
        starts: np.ndarray,
    ) -> np.ndarray:
        """Add the rewards of rows and return the sums of the episodes that ended in them, (ended, streams).

        Args:
            rows: (n,) their numbers, ascending: all that are new and those of `self.rows`.
            reward: (n, streams) rewards.
            next_row: (n,) numbers of the agents' next rows; without a meaning for rows that are not settled.
            ending: (n,) an `Ending` each.
            settled: (n,) bool, whether the reward has arrived.
            starts: (batches,) index of the first row of each step batch, ascending.
        """
        before = np.zeros((len(rows), self.sums.shape[1]))
        before[np.searchsorted(rows, self.rows)] = self.sums
        following = np.where(settled, np.searchsorted(rows, next_row), -1)
        sums = episode_sums(reward, following, ending, settled, starts, before)
        self.rows, self.sums = rows[~settled], sums[~settled]
        return sums[settled & (ending >= Ending.INTERRUPTED)]

    def keep(self, rows: np.ndarray, renamed: np.ndarray | None = None) -> None:
        """Forget all rows but some.

        Args:
            rows: (k,) their numbers, in any order.
            renamed: (k,) the numbers that they have from now on, which keep the rows in order; None: the same ones.
        """
        kept = np.isin(self.rows, rows)
        self.rows, self.sums = self.rows[kept], self.sums[kept]
        if renamed is not None:
            order = np.argsort(rows)
            self.rows = renamed[order][np.searchsorted(rows[order], self.rows)]
