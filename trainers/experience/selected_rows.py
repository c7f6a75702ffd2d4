"""Some rows of a rollout or of a replay buffer, as reward signals see them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class RowSource(Protocol):
    """Where rows lie: a `Replay`, or the `Columns` of a rollout. Each row has a place there."""

    def column(self, name: str, places: np.ndarray) -> np.ndarray:
        """Return a column of `Rows` at places, (n, ...)."""

    def next_places(self, places: np.ndarray) -> np.ndarray:
        """Return the places of the agents' next rows, (n,)."""

    def read(self, places: np.ndarray) -> list[np.ndarray]:
        """Return the observations at places, one (n, *shape) array each."""


@dataclass(frozen=True)
class SelectedRows:
    """Some rows of a source, which are `Rows`. Each column is read when it is accessed.

    Attributes:
        source: where they lie.
        places: (n,) their places there.
    """

    source: RowSource
    places: np.ndarray

    @property
    def settled(self) -> np.ndarray:
        """See `Rows.settled`."""
        return self.source.column("settled", self.places)

    @property
    def reward(self) -> np.ndarray:
        """See `Rows.reward`."""
        return self.source.column("reward", self.places)

    @property
    def group_reward(self) -> np.ndarray:
        """See `Rows.group_reward`."""
        return self.source.column("group_reward", self.places)

    @property
    def continuous(self) -> np.ndarray:
        """See `Rows.continuous`."""
        return self.source.column("continuous", self.places)

    @property
    def discrete(self) -> np.ndarray:
        """See `Rows.discrete`."""
        return self.source.column("discrete", self.places)

    @property
    def observations(self) -> list[np.ndarray]:
        """See `Rows.observations`."""
        return self.source.read(self.places)

    @property
    def next_observations(self) -> list[np.ndarray]:
        """See `Rows.next_observations`."""
        return self.source.read(self.source.next_places(self.places))

    @property
    def ending(self) -> np.ndarray:
        """See `Rows.ending`."""
        return self.source.column("ending", self.places)

    def select(self, places: np.ndarray) -> "SelectedRows":
        """See `Rows.select`."""
        return SelectedRows(self.source, self.places[places])
