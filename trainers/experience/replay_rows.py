"""Rows of a replay buffer, as reward signals see them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Ring(Protocol):
    """What `ReplayRows` needs of a replay buffer; see `Replay`."""

    def column(self, name: str, places: np.ndarray) -> np.ndarray:
        """Return a column at places of the ring, (n, ...)."""

    def next_places(self, places: np.ndarray) -> np.ndarray:
        """Return the places of the agents' next rows, (n,)."""

    def read(self, places: np.ndarray) -> list[np.ndarray]:
        """Return the observations at places of the ring, one (n, *shape) array each."""


@dataclass(frozen=True)
class ReplayRows:
    """Rows of a replay buffer. Each column is read when it is accessed.

    Attributes:
        replay: the buffer.
        places: (n,) places of the rows in the ring.
    """

    replay: Ring
    places: np.ndarray

    @property
    def settled(self) -> np.ndarray:
        """See `Rows.settled`."""
        return self.replay.column("settled", self.places)

    @property
    def reward(self) -> np.ndarray:
        """See `Rows.reward`."""
        return self.replay.column("reward", self.places)

    @property
    def group_reward(self) -> np.ndarray:
        """See `Rows.group_reward`."""
        return self.replay.column("group_reward", self.places)

    @property
    def continuous(self) -> np.ndarray:
        """See `Rows.continuous`."""
        return self.replay.column("continuous", self.places)

    @property
    def discrete(self) -> np.ndarray:
        """See `Rows.discrete`."""
        return self.replay.column("discrete", self.places)

    @property
    def observations(self) -> list[np.ndarray]:
        """See `Rows.observations`."""
        return self.replay.read(self.places)

    @property
    def next_observations(self) -> list[np.ndarray]:
        """See `Rows.next_observations`."""
        return self.replay.read(self.replay.next_places(self.places))

    @property
    def ending(self) -> np.ndarray:
        """See `Rows.ending`."""
        return self.replay.column("ending", self.places)

    def select(self, places: np.ndarray) -> "ReplayRows":
        """See `Rows.select`."""
        return ReplayRows(self.replay, self.places[places])
