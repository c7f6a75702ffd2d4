"""The rollout: rows of decisions to learn from once, in numpy arrays that grow.

A row is linked to the agent's next row (`next_row`), so agents may appear in any step and in any order. A reward may
arrive several environment steps after its decision.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from mlagents_envs.base_env import BehaviorSpec

from trainers.experience.rows import require_rows, storage_type, widened
from trainers.experience.selected_rows import SelectedRows
from trainers.experience.store import NO_ROW, Groupmates, StepResult, empty_columns
from trainers.networks.policy_network import ActionSample


@dataclass(frozen=True)
class Columns:
    """The `n` rows of a rollout, as arrays. They are views: `copy` them before the rollout changes.

    Attributes:
        observations: one (n, *shape) array per observation, float32, float64 or uint8.
        continuous: (n, continuous actions) float32 raw samples, before clipping.
        discrete: (n, branches) int64.
        forbidden: (n, sum of branch sizes) bool, True where an action is forbidden.
        log_prob: (n, continuous actions + branches) float32, log-probability of each part of the action when it was
            taken.
        reward: (n,) float32, the agent's own reward; 0 until it arrives.
        group_reward: (n,) float32, the reward of the agent's group.
        next_row: (n,) the agent's next row, or that of its last observation; -1 while the row is not settled.
        ending: (n,) int8, an `Ending` each.
        mates: (n, most) row of each groupmate at that time, where -1 fills the lines of smaller groups; (n, 0) for
            learners that do not look at groupmates.
        gone: (n,) bool, whether the row is the last observation of an agent that left its group behind.
        settled: (n,) bool, whether the row's reward has arrived. Other rows are used only for their value.
        memory: (n, memory_size) float32, what the agent remembers when it decides.
        critic_memory: (n, memories, memory_size) float32, what the critic remembers of the agent then. The learner
            writes it, at the first row of each sequence (`sequences.remember`).
        carried: number of rows that were there when the last update ended. They come first. Those that had been settled
            by then are there as groupmates only: they are no longer marked as settled.
        starts: (batches,) first row of each step batch, ascending. A next row lies in a later batch.
    """

    observations: tuple[np.ndarray, ...]
    continuous: np.ndarray
    discrete: np.ndarray
    forbidden: np.ndarray
    log_prob: np.ndarray
    reward: np.ndarray
    group_reward: np.ndarray
    next_row: np.ndarray
    ending: np.ndarray
    mates: np.ndarray
    gone: np.ndarray
    settled: np.ndarray
    memory: np.ndarray
    critic_memory: np.ndarray
    carried: int
    starts: np.ndarray

    def copy(self) -> "Columns":
        """Return the same rows in arrays of their own, which stay as they are when the rollout changes."""
        own = {field.name: copy.copy(getattr(self, field.name)) for field in fields(self)}
        return Columns(**{**own, "observations": tuple(column.copy() for column in self.observations)})

    @property
    def next_observations(self) -> list[np.ndarray]:
        """See `Rows.next_observations`."""
        return self.read(self.next_row)

    def select(self, places: np.ndarray) -> SelectedRows:
        """See `Rows.select`."""
        return SelectedRows(self, places)

    def column(self, name: str, places: np.ndarray) -> np.ndarray:
        """See `RowSource.column`."""
        values: np.ndarray = getattr(self, name)[places]
        return values

    def next_places(self, places: np.ndarray) -> np.ndarray:
        """See `RowSource.next_places`."""
        return self.next_row[places]

    def read(self, places: np.ndarray) -> list[np.ndarray]:
        """See `RowSource.read`."""
        return [observation[places] for observation in self.observations]


class Rollout:
    """The rows of one behavior. Its arrays grow as needed and are used again after an update.

    Args:
        spec: observations and actions of the behavior.
        capacity: initial number of rows.
        memory_size: length of the vector that an agent remembers; 0 without memory.
        critic_memories: number of such vectors that the critic remembers of an agent.
        log_probs: whether the log-probabilities of actions are kept.

    Raises:
        UserError: the rows need more memory than this machine has.

    Attributes:
        rows: number of rows.
        settled_rows: number of rows whose reward has arrived.
    """

    def __init__(
        self,
        spec: BehaviorSpec,
        capacity: int,
        memory_size: int = 0,
        critic_memories: int = 0,
        log_probs: bool = True,
    ) -> None:
        require_rows(spec, capacity, memory_size * (1 + critic_memories))
        parts = spec.action_spec.continuous_size + spec.action_spec.discrete_size
        self._shapes = [tuple(observation.shape) for observation in spec.observation_specs]
        self._observations: list[np.ndarray] = []
        self._columns = {
            **empty_columns(spec, capacity),
            "log_prob": np.zeros((capacity, parts * log_probs), np.float32),
            "mates": np.full((capacity, 0), NO_ROW, np.int64),
            "gone": np.zeros(capacity, np.bool_),
            "memory": np.zeros((capacity, memory_size), np.float32),
            "critic_memory": np.zeros((capacity, critic_memories, memory_size), np.float32),
        }
        self._starts: list[int] = []
        self._carried = 0
        self.rows = 0
        self.settled_rows = 0

    def append(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None = None,
        previous: np.ndarray | None = None,
        memory: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `Store.append`."""
        first, last = self.rows, self.rows + len(observations[0])
        if first == last:
            return np.arange(first, last)
        self._reserve(last, observations)
        self._observations = list(map(widened, self._observations, observations))
        for column, values in zip(self._observations, observations, strict=True):
            column[first:last] = values
        self._columns["forbidden"][first:last] = False if forbidden is None else forbidden
        self._columns["next_row"][first:last] = NO_ROW
        self._columns["ending"][first:last] = 0
        self._columns["reward"][first:last] = 0.0
        self._columns["mates"][first:last] = NO_ROW
        self._columns["gone"][first:last] = False
        self._columns["settled"][first:last] = False
        if memory is not None:
            self._columns["memory"][first:last] = memory
            self._columns["critic_memory"][first:last] = 0.0
        self._starts.append(first)
        self.rows = last
        return np.arange(first, last)

    def note_groupmates(self, groupmates: Groupmates) -> None:
        """See `Store.note_groupmates`."""
        mates, width = self._columns["mates"], groupmates.mates.shape[1]
        if width > mates.shape[1]:
            wider = np.full((len(mates), width), NO_ROW, np.int64)
            wider[:, : mates.shape[1]] = mates
            self._columns["mates"] = mates = wider
        mates[groupmates.rows, :width] = groupmates.mates
        self._columns["gone"][groupmates.rows] = groupmates.gone

    def decide(self, rows: np.ndarray, sample: ActionSample) -> None:
        """See `Store.decide`."""
        self._columns["continuous"][rows] = sample.continuous
        self._columns["discrete"][rows] = sample.discrete
        self._columns["log_prob"][rows] = sample.log_prob

    def settle(self, result: StepResult) -> None:
        """See `Store.settle`."""
        rows = result.rows
        self._columns["reward"][rows] = result.reward
        self._columns["group_reward"][rows] = result.group_reward
        self._columns["next_row"][rows] = result.next_row
        self._columns["ending"][rows] = result.ending
        self._columns["settled"][rows] = True
        self.settled_rows += len(rows)

    def columns(self) -> Columns:
        """Return all rows. There must be at least one."""
        return Columns(
            observations=tuple(column[: self.rows] for column in self._observations),
            starts=np.asarray(self._starts),
            carried=self._carried,
            **{name: column[: self.rows] for name, column in self._columns.items()},
        )

    def restart(self, kept: np.ndarray) -> np.ndarray:
        """Drop all rows except some and their groupmates, and return the new numbers of `kept`, (n,).

        Args:
            kept: (n,) numbers of rows that are not settled. Their groupmates may be; those are not learned from again.
        """
        kept_mates = self._columns["mates"][kept]
        rows = np.union1d(kept, kept_mates[kept_mates != NO_ROW])
        mates = np.where(np.isin(rows, kept)[:, None], self._columns["mates"][rows], NO_ROW)
        batches = np.searchsorted(self._starts, rows, side="right")
        for column in (*self._observations, *self._columns.values()):
            column[: len(rows)] = column[rows]
        self._columns["mates"][: len(rows)] = np.where(mates == NO_ROW, NO_ROW, np.searchsorted(rows, mates))
        self._columns["next_row"][: len(rows)] = NO_ROW
        self._columns["settled"][: len(rows)] = False
        self.rows = self._carried = len(rows)
        self._starts = np.flatnonzero(np.diff(batches, prepend=0)).tolist()
        self.settled_rows = 0
        return np.searchsorted(rows, kept)

    def _reserve(self, rows: int, observations: Sequence[np.ndarray]) -> None:
        capacity = len(self._columns["settled"])
        if not self._observations:
            self._observations = [
                np.empty((capacity, *shape), storage_type(shape, values))
                for shape, values in zip(self._shapes, observations, strict=True)
            ]
        if rows > capacity:
            extra = max(rows, capacity * 3 // 2) - capacity
            self._observations = [_extended(column, extra) for column in self._observations]
            self._columns = {name: _extended(column, extra) for name, column in self._columns.items()}


def _extended(column: np.ndarray, extra: int) -> np.ndarray:
    return np.concatenate([column, np.zeros((extra, *column.shape[1:]), column.dtype)])
