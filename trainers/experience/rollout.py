"""Decisions waiting to be learned from: an append-only column store, one row per decision.

A row is opened when an agent asks for a decision, gets its action when the policy acts, and is closed when the
reward for that action arrives, maybe several environment steps later. Rows of one agent are linked by
`next_row`, so nothing depends on which agents appear in which step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mlagents_envs.base_env import BehaviorSpec

from trainers.experience.store import NO_ROW


@dataclass(frozen=True)
class Columns:
    """The rows of a rollout, as arrays of `n` rows (views: copy before the rollout changes).

    Attributes:
        observations: one (n, *shape) array per observation, float32 or uint8.
        continuous: (n, continuous actions) float32, raw samples, before clipping.
        discrete: (n, branches) int64.
        forbidden: (n, sum of branch sizes) bool, True where an action must not be chosen.
        log_prob: (n, continuous actions + branches) float32, log-probability of each part of the row's action when it
            was sampled.
        reward: (n, reward streams) float32.
        next_row: (n,) the agent's following row, whose value bootstraps this one; -1 after a true end.
        cut: (n,) bool, the trajectory stops after this row: lambda-returns do not flow back across it.
        closed: (n,) bool, the row's reward has arrived. Other rows only lend their observation's value.
        starts: first row of every step batch, ascending; links always lead into a later batch.
    """

    observations: tuple[np.ndarray, ...]
    continuous: np.ndarray
    discrete: np.ndarray
    forbidden: np.ndarray
    log_prob: np.ndarray
    reward: np.ndarray
    next_row: np.ndarray
    cut: np.ndarray
    closed: np.ndarray
    starts: np.ndarray


class Rollout:
    """Rows of one behavior; grows as needed, keeps its memory from update to update."""

    def __init__(self, spec: BehaviorSpec, capacity: int, reward_streams: int = 1) -> None:
        branches = spec.action_spec.discrete_branches
        self._shapes = [tuple(observation.shape) for observation in spec.observation_specs]
        self._observations: list[np.ndarray] = []
        self._columns = {
            "continuous": np.zeros((capacity, spec.action_spec.continuous_size), np.float32),
            "discrete": np.zeros((capacity, len(branches)), np.int64),
            "forbidden": np.zeros((capacity, sum(branches)), np.bool_),
            "log_prob": np.zeros((capacity, spec.action_spec.continuous_size + len(branches)), np.float32),
            "reward": np.zeros((capacity, reward_streams), np.float32),
            "next_row": np.full(capacity, NO_ROW, np.int64),
            "cut": np.zeros(capacity, np.bool_),
            "closed": np.zeros(capacity, np.bool_),
        }
        self._starts: list[int] = []
        self.rows = 0
        self.closed_rows = 0

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
            previous: not needed here.

        Returns:
            The new rows' indices, (n,).
        """
        count = len(observations[0])
        first, last = self.rows, self.rows + count
        self._reserve(last, observations)
        for column, values in zip(self._observations, observations, strict=True):
            column[first:last] = values
        self._columns["forbidden"][first:last] = False if forbidden is None else forbidden
        self._columns["next_row"][first:last] = NO_ROW
        self._columns["cut"][first:last] = False
        self._columns["closed"][first:last] = False
        self._starts.append(first)
        self.rows = last
        return np.arange(first, last)

    def act(
        self, rows: np.ndarray, continuous: np.ndarray, discrete: np.ndarray, log_prob: np.ndarray
    ) -> None:
        """Fill in the actions chosen for open rows."""
        self._columns["continuous"][rows] = continuous
        self._columns["discrete"][rows] = discrete
        self._columns["log_prob"][rows] = log_prob

    def close(
        self, rows: np.ndarray, reward: np.ndarray, next_row: np.ndarray | int, cut: np.ndarray | bool
    ) -> None:
        """Pay rows their reward, (n, streams) or (n, 1), and link them to what follows."""
        self._columns["reward"][rows] = reward
        self._columns["next_row"][rows] = next_row
        self._columns["cut"][rows] = cut
        self._columns["closed"][rows] = True
        self.closed_rows += len(rows)

    def columns(self) -> Columns:
        """All rows so far."""
        return Columns(
            observations=tuple(column[: self.rows] for column in self._observations),
            starts=np.asarray(self._starts),
            **{name: column[: self.rows] for name, column in self._columns.items()},
        )

    def restart(self, kept: np.ndarray) -> np.ndarray:
        """Drop every row but `kept` (open ones); returns where those now are, in the same order."""
        kept_sorted = np.sort(kept)
        for column in (*self._observations, *self._columns.values()):
            column[: len(kept)] = column[kept_sorted]
        self.rows = len(kept)
        self._starts = [0] if len(kept) else []
        self.closed_rows = 0
        return np.searchsorted(kept_sorted, kept)

    def _reserve(self, rows: int, observations: Sequence[np.ndarray]) -> None:
        capacity = len(self._columns["log_prob"])
        if not self._observations:
            self._observations = [
                np.empty((capacity, *shape), np.uint8 if values.dtype == np.uint8 else np.float32)
                for shape, values in zip(self._shapes, observations, strict=True)
            ]
        if rows > capacity:
            extra = max(rows, capacity * 3 // 2) - capacity
            self._observations = [_extended(column, extra) for column in self._observations]
            self._columns = {name: _extended(column, extra) for name, column in self._columns.items()}


def _extended(column: np.ndarray, extra: int) -> np.ndarray:
    return np.concatenate([column, np.zeros((extra, *column.shape[1:]), column.dtype)])
