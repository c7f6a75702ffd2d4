"""Decisions kept for a long while: a ring of rows, one per decision, each linked to the agent's next.

Rows are numbered as they come; row r lies at place r modulo the capacity, and is gone when another takes its place. A
link always leads to a later row, so what a living row needs is alive as well. An observation is kept once: as what one
decision saw and what the one before led to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.errors import UserError
from trainers.experience.frames import FrameStore
from trainers.experience.store import NO_ROW
from trainers.records.checkpoint import write_atomically


@dataclass(frozen=True)
class Transitions:
    """`n` decisions with what came of each in up to n-step further ones.

    Attributes:
        observations: what was seen, one (n, *shape) array per observation.
        action: (n,) int64.
        reward: (n,) float32, discounted sum of the rewards on the way.
        next_observations: where the way ended, one (n, *shape) array per observation.
        next_forbidden: (n, choices) bool, what was forbidden there; None if nothing is.
        discount: (n,) float32, weight of the value there; 0 after a true end.
    """

    observations: list[np.ndarray]
    action: np.ndarray
    reward: np.ndarray
    next_observations: list[np.ndarray]
    next_forbidden: np.ndarray | None
    discount: np.ndarray


class Replay:
    """The newest `capacity` decisions of one behavior, with one discrete branch.

    Three endings differ: a true one links to nothing; an interrupted episode's last observation is a row that lends its
    value and is never learned from; so is a decision whose reward never comes, as when the environment is reset.

    Args:
        spec: the behavior.
        capacity: rows held (ML-Agents key `buffer_size`).

    Attributes:
        first: number of the oldest row.
        total: number that the next row will have.
        closed_rows: rows that can be learned from.
    """

    def __init__(self, spec: BehaviorSpec, capacity: int) -> None:
        self.capacity = capacity
        self._shapes = [tuple(observation.shape) for observation in spec.observation_specs]
        self._observations: list[np.ndarray | FrameStore] = []
        self._columns: dict[str, np.ndarray] = {
            "action": np.zeros(capacity, np.int64),
            "reward": np.zeros(capacity, np.float32),
            "next_row": np.full(capacity, NO_ROW, np.int64),
            "closed": np.zeros(capacity, np.bool_),
            "forbidden": np.zeros((capacity, sum(spec.action_spec.discrete_branches)), np.bool_),
        }
        self._any_forbidden = False
        self.first = self.total = self.closed_rows = 0

    def __len__(self) -> int:
        return self.total - self.first

    @property
    def bytes_held(self) -> int:
        """Memory in use, once every place has been written."""
        columns = sum(column.nbytes for column in self._columns.values())
        return columns + sum(
            part.bytes_held if isinstance(part, FrameStore) else part.nbytes for part in self._observations
        )

    def open(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `Store.open`.

        Raises:
            UserError: there are more agents than rows.
        """
        count = len(observations[0])
        if count > self.capacity:
            raise UserError(
                f"hyperparameters.buffer_size ({self.capacity}) is less than the number of agents ({count}); raise it"
            )
        if not self._observations:
            self._observations = [
                self._make_column(shape, values.dtype)
                for shape, values in zip(self._shapes, observations, strict=True)
            ]
        rows = np.arange(self.total, self.total + count)
        self._drop_before(self.total + count - self.capacity)
        places = rows % self.capacity
        before = np.full(count, NO_ROW, np.int64)
        if previous is not None:
            before = np.where(previous >= self.first, previous % self.capacity, NO_ROW)
        for column, values in zip(self._observations, observations, strict=True):
            if isinstance(column, FrameStore):
                column.write(places, values, before)
            else:
                column[places] = values
        self._columns["forbidden"][places] = False if forbidden is None else forbidden
        self._any_forbidden = self._any_forbidden or forbidden is not None
        self._columns["next_row"][places] = NO_ROW
        self._columns["closed"][places] = False
        self.total += count
        if count:
            for column in self._observations:
                if isinstance(column, FrameStore):
                    column.free(self.first % self.capacity)
        return rows

    def act(
        self, rows: np.ndarray, continuous: np.ndarray, discrete: np.ndarray, log_prob: np.ndarray
    ) -> None:
        """See `Store.act`; only the discrete action is kept."""
        self._columns["action"][rows % self.capacity] = discrete[:, 0]

    def close(
        self, rows: np.ndarray, reward: np.ndarray, next_row: np.ndarray | int, cut: np.ndarray | bool = False
    ) -> None:
        """See `Store.close`; rewards of rows that are gone are dropped, and a cut means nothing here."""
        alive = rows >= self.first
        places = rows[alive] % self.capacity
        self._columns["reward"][places] = reward[alive, 0]
        self._columns["next_row"][places] = np.broadcast_to(next_row, rows.shape)[alive]
        self._columns["closed"][places] = True
        self.closed_rows += len(places)

    def draw(self, count: int, generator: torch.Generator) -> np.ndarray:
        """Rows to learn from, evenly and with replacement, (count,); there must be one."""
        closed = self._columns["closed"]
        if 4 * self.closed_rows < len(self):
            rows = np.arange(self.first, self.total)
            rows = rows[closed[rows % self.capacity]]
            return rows[self._random(0, len(rows), count, generator)]
        rows = self._random(self.first, self.total, count, generator)
        while not (fits := closed[rows % self.capacity]).all():
            rows[~fits] = self._random(self.first, self.total, int((~fits).sum()), generator)
        return rows

    def transitions(
        self,
        rows: np.ndarray,
        gamma: float,
        n_step: int = 1,
        scaled: Callable[[np.ndarray], np.ndarray] = lambda reward: reward,
    ) -> Transitions:
        """What came of decisions within `n_step` further ones of the same agent, as far as they are known.

        The way ends early where the episode does, or where a reward is still awaited. Source: Sutton and Barto 2018,
        "Reinforcement Learning", equation 7.1.

        Args:
            rows: (n,) closed rows.
            gamma: discount of one step.
            n_step: rewards to sum.
            scaled: makes of rewards (n,) what is learned from.
        """
        columns, places = self._columns, rows % self.capacity
        reward = np.zeros(len(rows), np.float32)
        discount = np.ones(len(rows), np.float32)
        here, going = places.copy(), np.ones(len(rows), np.bool_)
        for _ in range(n_step):
            going &= columns["closed"][here] & (discount > 0)
            reward += np.where(going, discount * scaled(columns["reward"][here]), 0.0).astype(np.float32)
            following = columns["next_row"][here]
            ended = going & (following == NO_ROW)
            discount = np.where(going, discount * np.float32(gamma), discount)
            discount[ended] = 0.0
            here = np.where(going & ~ended, following % self.capacity, here)
        return Transitions(
            observations=self._read(places),
            action=columns["action"][places],
            reward=reward,
            next_observations=self._read(here),
            next_forbidden=columns["forbidden"][here] if self._any_forbidden else None,
            discount=discount,
        )

    def save(self, path: Path) -> None:
        """Atomically write everything as an uncompressed .npz file."""
        rows = np.arange(self.first, self.total)
        places = rows % self.capacity
        arrays: dict[str, Any] = {name: column[places] for name, column in self._columns.items()}
        arrays["rows"] = rows
        for index, column in enumerate(self._observations):
            state = column.state(places) if isinstance(column, FrameStore) else {"values": column[places]}
            arrays |= {f"observation{index}.{name}": value for name, value in state.items()}
        write_atomically(path, lambda stream: np.savez(stream, **arrays))

    def load(self, path: Path) -> None:
        """Take over what `save` wrote, its newest rows if there are more than fit. Nothing in the file is executed.

        Raises:
            UserError: the file is damaged, or of another behavior.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                self._take_over({name: file[name] for name in file.files})
        except Exception as error:  # whatever a damaged file leads to
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(
                f"{path}: not a replay buffer of this run ({reason}); delete it to go on without it"
            ) from error

    def _take_over(self, arrays: dict[str, np.ndarray]) -> None:
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
            column_or_frames = self._make_column(shape, dtype)
            if isinstance(column_or_frames, FrameStore):
                state |= {name: state[name][kept] for name in ("numbers", "floors")}
                column_or_frames.restore(places, state)
            else:
                column_or_frames[places] = state["values"][kept]
            self._observations.append(column_or_frames)
        self.first, self.total = int(rows[kept][0]), int(rows[-1]) + 1
        self.closed_rows = int(self._columns["closed"].sum())
        self._any_forbidden = bool(self._columns["forbidden"].any())

    def _drop_before(self, row: int) -> None:
        if row > self.first:
            gone = np.arange(self.first, row) % self.capacity
            self.closed_rows -= int(self._columns["closed"][gone].sum())
            self._columns["closed"][gone] = False
            self.first = row

    def _make_column(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | FrameStore:
        kept = np.dtype(np.uint8 if dtype == np.uint8 else np.float32)
        if len(shape) == 3:
            return FrameStore(shape, kept, self.capacity)
        return np.empty((self.capacity, *shape), kept)

    def _read(self, places: np.ndarray) -> list[np.ndarray]:
        return [
            column.read(places) if isinstance(column, FrameStore) else column[places]
            for column in self._observations
        ]

    def _random(self, low: int, high: int, count: int, generator: torch.Generator) -> np.ndarray:
        drawn = torch.randint(low, high, (count,), generator=generator, device=generator.device)
        numbers: np.ndarray = drawn.cpu().numpy()
        return numbers
