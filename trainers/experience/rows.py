"""Settled decisions as reward signals see them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


def storage_type(shape: tuple[int, ...], values: np.ndarray) -> np.dtype:
    """How an observation is stored: images as uint8 if they come so, everything else as float32.

    Args:
        shape: of the observation, from its spec.
        values: a batch of it that is not empty.
    """
    return np.dtype(np.uint8 if len(shape) == 3 and values.dtype == np.uint8 else np.float32)


class Rows(Protocol):
    """n rows, in any order. What a row that is not settled says of rewards and next observations has no meaning."""

    @property
    def settled(self) -> np.ndarray:
        """(n,) bool, the row's reward has arrived."""

    @property
    def reward(self) -> np.ndarray:
        """(n,) float32, each agent's own reward."""

    @property
    def group_reward(self) -> np.ndarray:
        """(n,) float32, the reward of each agent's group."""

    @property
    def continuous(self) -> np.ndarray:
        """(n, size) float32, raw actions."""

    @property
    def discrete(self) -> np.ndarray:
        """(n, branches) int64."""

    @property
    def observations(self) -> Sequence[np.ndarray]:
        """What the agents saw, one (n, *shape) array per observation."""

    @property
    def next_observations(self) -> Sequence[np.ndarray]:
        """What they saw next; at the end of an episode, its last observation."""


def own_and_group(rows: Rows) -> np.ndarray:
    """An agent's own reward plus its group's, (n,)."""
    total: np.ndarray = rows.reward + rows.group_reward
    return total
