"""Rows for reward signals, written by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mlagents_envs.base_env import BehaviorSpec


@dataclass(frozen=True)
class RowTable:
    """Rows that are arrays. See `trainers.experience.rows.Rows`."""

    observations: list[np.ndarray]
    next_observations: list[np.ndarray]
    continuous: np.ndarray
    discrete: np.ndarray
    reward: np.ndarray
    group_reward: np.ndarray
    ending: np.ndarray
    settled: np.ndarray

    def select(self, places: np.ndarray) -> "RowTable":
        columns = vars(self)
        return RowTable(
            **{
                name: [part[places] for part in column] if isinstance(column, list) else column[places]
                for name, column in columns.items()
            }
        )


def row_table(
    spec: BehaviorSpec,
    observations: Sequence[np.ndarray],
    next_observations: Sequence[np.ndarray] | None = None,
    continuous: np.ndarray | None = None,
    discrete: np.ndarray | None = None,
    settled: np.ndarray | None = None,
) -> RowTable:
    """Rows with these columns; the others are zeros, and the next observations are the observations."""
    count, actions = len(observations[0]), spec.action_spec
    return RowTable(
        list(observations),
        list(observations if next_observations is None else next_observations),
        np.zeros((count, actions.continuous_size), np.float32) if continuous is None else continuous,
        np.zeros((count, actions.discrete_size), np.int64) if discrete is None else discrete,
        np.zeros(count, np.float32),
        np.zeros(count, np.float32),
        np.zeros(count, np.int8),
        np.ones(count, np.bool_) if settled is None else settled,
    )
