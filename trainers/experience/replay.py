"""The replay buffer: a ring of rows, one per decision, each linked to the agent's next row.

Rows are numbered in order of arrival. Row r lies at place r modulo the capacity until a newer row overwrites it. The
next row of a row is newer, so it is in the buffer as well. Every observation is stored once. It is that of one decision
and the next observation of the decision before it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.errors import UserError
from trainers.experience.array_store import ArrayStore
from trainers.experience.frames import FrameStore
from trainers.experience.rows import Rows, Transitions, own_and_group, require_rows, storage_type
from trainers.experience.selected_rows import SelectedRows
from trainers.experience.store import NO_ROW, Groupmates, StepResult, empty_columns
from trainers.maths.returns import Ending
from trainers.networks.policy_network import ActionSample

ROWS_PER_AGENT = 3
"""Rows that the buffer needs per agent.

A decision must still be in the buffer after its episode ended and the next one began. The decision, the episode's last
observation and the next decision are three rows.
"""


class Replay:
    """The newest `capacity` rows of one behavior.

    Two kinds of rows are never learned from. The last observation of an episode is a row that serves as a next
    observation. A decision whose reward never arrives, for example because the environment was reset, stays unsettled.

    Args:
        spec: observations and actions of the behavior.
        capacity: number of rows (ML-Agents key `buffer_size`).
        memory_size: length of the vector that an agent remembers; 0 without memory.
        owner: begins messages for the user, such as `behavior Walker: `.

    Raises:
        UserError: the rows need more memory than this machine has.

    Attributes:
        spec: observations and actions of the behavior.
        first: number of the oldest row.
        total: number of the row to be appended next.
        settled_rows: number of rows that can be learned from.
    """

    def __init__(self, spec: BehaviorSpec, capacity: int, memory_size: int = 0, owner: str = "") -> None:
        self.spec, self.capacity, self._owner = spec, capacity, owner
        require_rows(spec, capacity, memory_size)
        self._shapes = [tuple(observation.shape) for observation in spec.observation_specs]
        self._observations: list[ArrayStore | FrameStore] = []
        self._columns = empty_columns(spec, capacity)
        if memory_size:
            self._columns["memory"] = np.zeros((capacity, memory_size), np.float32)
        self._any_forbidden = False
        self.first = self.total = self.settled_rows = 0

    def __len__(self) -> int:
        return self.total - self.first

    @property
    def bytes_held(self) -> int:
        """Memory in bytes, once every place has been written."""
        columns = sum(column.nbytes for column in self._columns.values())
        return columns + sum(store.bytes_held for store in self._observations)

    @property
    def column_kinds(self) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        """The type of each column, and its shape in a row."""
        return {name: (column.dtype, column.shape[1:]) for name, column in self._columns.items()}

    def append(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None = None,
        previous: np.ndarray | None = None,
        memory: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `Store.append`.

        Raises:
            UserError: there are more agents than rows.
        """
        count = len(observations[0])
        if count > self.capacity:
            raise UserError(f"{self._owner}{too_small(self.capacity, count)}")
        rows = np.arange(self.total, self.total + count)
        if not count:
            return rows
        if not self._observations:
            self._observations = [
                self._new_store(shape, storage_type(shape, values))
                for shape, values in zip(self._shapes, observations, strict=True)
            ]
        self._drop_before(self.total + count - self.capacity)
        places = rows % self.capacity
        before = np.full(count, NO_ROW, np.int64)
        if previous is not None:
            before = np.where(previous >= self.first, previous % self.capacity, NO_ROW)
        for store, values in zip(self._observations, observations, strict=True):
            store.write(places, values, before)
        self._columns["forbidden"][places] = False if forbidden is None else forbidden
        self._any_forbidden = self._any_forbidden or forbidden is not None
        self._columns["next_row"][places] = NO_ROW
        self._columns["settled"][places] = False
        if memory is not None:
            self._columns["memory"][places] = memory
        self.total += count
        for store in self._observations:
            store.free(self.first % self.capacity)
        return rows

    def note_groupmates(self, groupmates: Groupmates) -> None:
        """See `Store.note_groupmates`. Groupmates are not stored."""

    def decide(self, rows: np.ndarray, sample: ActionSample) -> None:
        """See `Store.decide`. Log-probabilities are not stored."""
        self._columns["continuous"][rows % self.capacity] = sample.continuous
        self._columns["discrete"][rows % self.capacity] = sample.discrete

    def settle(self, result: StepResult) -> None:
        """See `Store.settle`. Results of rows that were overwritten are dropped."""
        alive = result.rows >= self.first
        places = result.rows[alive] % self.capacity
        for name in ("reward", "group_reward", "next_row", "ending"):
            self._columns[name][places] = getattr(result, name)[alive]
        self._columns["settled"][places] = True
        self.settled_rows += len(places)

    def draw(self, count: int, generator: torch.Generator) -> np.ndarray:
        """Draw numbers of settled rows, uniformly and with replacement, (count,). There must be a settled row."""
        settled = self._columns["settled"]
        if 4 * self.settled_rows < len(self):
            rows = np.arange(self.first, self.total)
            rows = rows[settled[rows % self.capacity]]
            return rows[self._random(0, len(rows), count, generator)]
        rows = self._random(self.first, self.total, count, generator)
        while not (fits := settled[rows % self.capacity]).all():
            rows[~fits] = self._random(self.first, self.total, int((~fits).sum()), generator)
        return rows

    def rows(self, numbers: np.ndarray) -> SelectedRows:
        """Return rows by number, (n,), for reward signals."""
        return SelectedRows(self, numbers % self.capacity)

    def transitions(
        self,
        rows: np.ndarray,
        gammas: Sequence[float],
        n_step: int = 1,
        rewards: Callable[[Rows], np.ndarray] = own_and_group,
        beyond_the_end: Sequence[bool] | None = None,
    ) -> Transitions:
        """Return the n-step transitions that start at rows.

        A transition is shorter where the episode ends, or where a reward has not arrived yet. Source: Sutton and Barto
        2018, "Reinforcement Learning", equation 7.1.

        Args:
            rows: (n,) numbers of settled rows.
            gammas: (streams,) discount per decision of each reward signal.
            n_step: the most rewards to sum.
            rewards: returns the rewards of rows, (n, streams).
            beyond_the_end: (streams,) whether a signal's value counts after termination too; None: for no signal.
        """
        columns, places = self._columns, rows % self.capacity
        streams = len(gammas)
        per_step = np.asarray(gammas, np.float32)
        at_the_end = np.asarray(beyond_the_end or [False] * streams, np.float32)
        reward = np.zeros((len(rows), streams), np.float32)
        discount = np.ones((len(rows), streams), np.float32)
        here, going = places.copy(), np.ones(len(rows), np.bool_)
        for _ in range(n_step):
            going &= columns["settled"][here]
            earned = rewards(SelectedRows(self, here))
            reward += np.where(going[:, None], discount * earned, 0.0).astype(np.float32)
            discount = np.where(going[:, None], discount * per_step, discount)
            ended = going & (columns["ending"][here] == Ending.TERMINATED)
            discount[ended] *= at_the_end
            here = np.where(going, self.next_places(here), here)
            going &= ~ended
        return Transitions(
            observations=self.read(places),
            continuous=columns["continuous"][places],
            discrete=columns["discrete"][places],
            forbidden=columns["forbidden"][places] if self._any_forbidden else None,
            reward=reward,
            next_observations=self.read(here),
            next_forbidden=columns["forbidden"][here] if self._any_forbidden else None,
            discount=discount,
        )

    def state(self) -> dict[str, np.ndarray]:
        """Return all rows as named arrays, for `restore`."""
        rows = np.arange(self.first, self.total)
        places = rows % self.capacity
        arrays: dict[str, np.ndarray] = {name: column[places] for name, column in self._columns.items()}
        arrays["rows"] = rows
        for index, store in enumerate(self._observations):
            arrays |= {f"observation{index}.{name}": value for name, value in store.state(places).items()}
        return arrays

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore what `state` returned, or its newest rows if there are more than the capacity."""
        rows = arrays["rows"]
        kept = slice(max(0, len(rows) - self.capacity), None)
        places = rows[kept] % self.capacity
        for name, column in self._columns.items():
            column[places] = arrays[name][kept]
        self._observations = []
        for index, shape in enumerate(self._shapes):
            prefix = f"observation{index}."
            state: dict[str, Any] = {
                name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)
            }
            dtype = state["values" if "values" in state else "chunk00000"].dtype
            state |= {name: state[name][kept] for name in ("numbers", "floors", "values") if name in state}
            store = self._new_store(shape, dtype)
            store.restore(places, state)
            self._observations.append(store)
        self.first, self.total = int(rows[kept][0]), int(rows[-1]) + 1
        self.settled_rows = int(self._columns["settled"].sum())
        self._any_forbidden = bool(self._columns["forbidden"].any())

    def column(self, name: str, places: np.ndarray) -> np.ndarray:
        """Return a column at places of the ring, (n, ...)."""
        values: np.ndarray = self._columns[name][places]
        return values

    def next_places(self, places: np.ndarray) -> np.ndarray:
        """Return the places of the agents' next rows, (n,). A row without a next row gives its own place."""
        following = self._columns["next_row"][places]
        return np.where(following == NO_ROW, places, following % self.capacity)

    def read(self, places: np.ndarray) -> list[np.ndarray]:
        """Return the observations at places of the ring, one (n, *shape) array each."""
        return [store.read(places) for store in self._observations]

    def _drop_before(self, row: int) -> None:
        if row > self.first:
            gone = np.arange(self.first, row) % self.capacity
            self.settled_rows -= int(self._columns["settled"][gone].sum())
            self._columns["settled"][gone] = False
            self.first = row

    def _new_store(self, shape: tuple[int, ...], dtype: np.dtype) -> ArrayStore | FrameStore:
        return (FrameStore if len(shape) == 3 else ArrayStore)(shape, dtype, self.capacity)

    def _random(self, low: int, high: int, count: int, generator: torch.Generator) -> np.ndarray:
        drawn = torch.randint(low, high, (count,), generator=generator, device=generator.device)
        numbers: np.ndarray = drawn.cpu().numpy()
        return numbers


def too_small(capacity: int, agents: int) -> str:
    """Return the error message about a buffer with fewer than `ROWS_PER_AGENT` rows per agent."""
    return (
        f"hyperparameters.buffer_size ({capacity}) is too small for {agents} agents, whose decisions would be "
        f"overwritten before they are learned from; set it to at least {ROWS_PER_AGENT * agents}, better to "
        "several thousand"
    )
