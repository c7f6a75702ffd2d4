"""The interface of rows, through which reward signals see decisions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.sizes import require_memory

OTHER_COLUMNS = 18
"""Bytes of a row besides observations and actions: two rewards, the next row, the ending, whether it is settled.

An image counts as one uint8 channel, since a replay buffer keeps the channels of stacked images once.
"""


def storage_type(shape: tuple[int, ...], values: np.ndarray) -> np.dtype:
    """Return the dtype in which an observation is stored.

    It is uint8 for uint8 images, float64 for vectors in float64, and float32 for everything else.

    Args:
        shape: shape of the observation in its spec.
        values: a batch of the observation, not empty.
    """
    kept = (np.uint8,) if len(shape) == 3 else (np.float64,) if len(shape) == 1 else ()
    return values.dtype if values.dtype in kept else np.dtype(np.float32)


def widened(column: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a column that holds vectors as they are, in float64 if they are."""
    is_wider = column.ndim == 2 and values.dtype == np.float64 != column.dtype
    return column.astype(np.float64) if is_wider else column


def require_rows(spec: BehaviorSpec, capacity: int, remembered: int = 0) -> None:
    """Require that this machine could hold so many rows, before any memory is asked for.

    Args:
        spec: observations and actions of the behavior.
        capacity: number of rows.
        remembered: numbers that a row holds of what an agent and its critic remember.

    Raises:
        UserError: they are larger than the machine's memory.
    """
    row = (
        OTHER_COLUMNS
        + 4 * remembered
        + 4 * spec.action_spec.continuous_size
        + sum(spec.action_spec.discrete_branches)
    )
    for observation in spec.observation_specs:
        shape = observation.shape
        row += math.prod(shape[1:]) if len(shape) == 3 else 4 * math.prod(shape)
    require_memory(
        capacity * row,
        f"hyperparameters.buffer_size: {capacity:,} rows of at least {row:,} bytes",
        "lower it, or use smaller observations",
    )


class Rows(Protocol):
    """n rows in any order. Rewards and next observations of rows that are not settled have no meaning."""

    @property
    def settled(self) -> np.ndarray:
        """(n,) bool, whether the row's reward has arrived."""

    @property
    def reward(self) -> np.ndarray:
        """(n,) float32, each agent's own reward."""

    @property
    def group_reward(self) -> np.ndarray:
        """(n,) float32, the reward of each agent's group."""

    @property
    def continuous(self) -> np.ndarray:
        """(n, size) float32 raw actions."""

    @property
    def discrete(self) -> np.ndarray:
        """(n, branches) int64 actions."""

    @property
    def observations(self) -> Sequence[np.ndarray]:
        """The observations, one (n, *shape) array each."""

    @property
    def next_observations(self) -> Sequence[np.ndarray]:
        """The agents' next observations, one (n, *shape) array each; at the end of an episode, its last observation."""

    @property
    def ending(self) -> np.ndarray:
        """(n,) int8, how each agent's trajectory continues, an `Ending` each."""

    def select(self, places: np.ndarray) -> "Rows":
        """Return the rows at `places`, (m,) indices from 0 to n - 1, in their order."""


def own_and_group(rows: Rows) -> np.ndarray:
    """Return each agent's own reward plus its group's as one stream, (n, 1)."""
    total: np.ndarray = rows.reward + rows.group_reward
    return total[:, None]


@dataclass(frozen=True)
class Transitions:
    """`n` transitions of up to n_step decisions each. A recorded gradient step is given tensors in place of arrays.

    Attributes:
        observations: one (n, *shape) array per observation, at the start.
        continuous: (n, size) float32 raw actions at the start.
        discrete: (n, branches) int64 actions at the start.
        forbidden: (n, sum of branch sizes) bool, True where an action is forbidden at the start; None if none is.
        reward: (n, streams) float32, discounted sums of the rewards of each reward signal.
        next_observations: one (n, *shape) array per observation, at the end.
        next_forbidden: like `forbidden`, at the end.
        discount: (n, streams) float32, weight of the value at the end; 0 after termination, except for signals whose
            value goes on beyond it.
        lengths: (s,) number of transitions of each of the sequences that they form, one after the other; None for a
            network without memory.
        memory: (s, memory_size) float32, what each sequence's agent remembered at its start; None without memory.
    """

    observations: list[np.ndarray]
    continuous: np.ndarray
    discrete: np.ndarray
    forbidden: np.ndarray | None
    reward: np.ndarray
    next_observations: list[np.ndarray]
    next_forbidden: np.ndarray | None
    discount: np.ndarray
    lengths: np.ndarray | None = None
    memory: np.ndarray | None = None
