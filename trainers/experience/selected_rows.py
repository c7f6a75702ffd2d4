"""Some rows of a rollout or of a replay buffer, as reward signals see them."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class RowSource(Protocol):
    """Where rows lie: a `Replay`, or the `Columns` of a rollout. Each row has a place there."""

    def column(self, name: str, places: np.ndarray) -> np.ndarray:
        """Return a column of `Rows` at places, (n, ...)."""

    def next_places(self, places: np.ndarray) -> np.ndarray:
        """Return the places of the agents' next rows, (n,)."""

    def read(self, places: np.ndarray) -> list[np.ndarray]:
        """Return the observations at places, one (n, *shape) array each."""


def _column(name: str) -> Any:
    """Return a property that is a column of `Rows`."""
    return property(lambda rows: rows.source.column(name, rows.places))


@dataclass(frozen=True)
class SelectedRows:
    """Some rows of a source, which are `Rows`. Each column is read when it is accessed.

    Attributes:
        source: where they lie.
        places: (n,) their places there.
    """

    source: RowSource
    places: np.ndarray

    settled = _column("settled")
    reward = _column("reward")
    group_reward = _column("group_reward")
    continuous = _column("continuous")
    discrete = _column("discrete")
    ending = _column("ending")

    @property
    def observations(self) -> list[np.ndarray]:
        """See `Rows.observations`."""
        return self.source.read(self.places)

    @property
    def next_observations(self) -> list[np.ndarray]:
        """See `Rows.next_observations`."""
        return self.source.read(self.source.next_places(self.places))

    def select(self, places: np.ndarray) -> "SelectedRows":
        """See `Rows.select`."""
        return SelectedRows(self.source, self.places[places])
