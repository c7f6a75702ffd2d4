"""Who is alive and waits for a reward: ids mapped to slots of plain arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class AgentBatch:
    """The agents that ask for a decision now, in the environment's order.

    Attributes:
        slots: (n,) where each agent is in its `AgentTable`.
        agent_ids: (n,) the environment's ids.
        group_ids: (n,) the ids of their groups, 0 without a group.
        observations: one (n, *shape) array per observation.
        forbidden: (n, sum of branch sizes) bool, or None where everything is allowed.
    """

    slots: np.ndarray
    agent_ids: np.ndarray
    group_ids: np.ndarray
    observations: list[np.ndarray]
    forbidden: np.ndarray | None

    def __len__(self) -> int:
        return len(self.slots)


class SlotTable:
    """Whatever has an id, one slot each, without a Python object for each.

    Ids may be any integers, in any order and number, and may never come back. Ids are kept sorted and looked up by
    bisection. The slot of an id that is gone is used again.

    Args:
        columns: name and type of each column, which becomes an attribute of shape (slots,).
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = dict(columns)
        self._ids = np.empty(0, np.int64)
        self._slots = np.empty(0, np.int64)
        self._free = np.empty(0, np.int64)
        for name, dtype in columns.items():
            setattr(self, name, np.zeros(0, dtype))

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def slots(self) -> np.ndarray:
        """Slots in use, in the order of their ids."""
        return self._slots

    def find(self, ids: np.ndarray) -> np.ndarray:
        """Slots of `ids`, shape (n,); -1 where the id is not known."""
        if not len(self._ids):
            return np.full(len(ids), -1, np.int64)
        position = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where(self._ids[position] == ids, self._slots[position], -1)

    def add(self, ids: np.ndarray) -> np.ndarray:
        """Give new ids a slot each, all columns zero; returns the slots, shape (n,)."""
        if len(ids) > len(self._free):
            self._grow(len(ids) - len(self._free))
        slots, self._free = self._free[: len(ids)], self._free[len(ids) :]
        for name in self._columns:
            getattr(self, name)[slots] = 0
        order = np.argsort(np.concatenate([self._ids, ids]), kind="stable")
        self._ids = np.concatenate([self._ids, ids])[order]
        self._slots = np.concatenate([self._slots, slots])[order]
        return slots

    def remove(self, slots: np.ndarray) -> None:
        """Forget what is in `slots`; they may be used again."""
        gone = np.isin(self._slots, slots)
        self._free = np.concatenate([self._slots[gone], self._free])
        self._ids, self._slots = self._ids[~gone], self._slots[~gone]

    def clear(self) -> None:
        """Forget everything, as when the environment is reset."""
        self.remove(self._slots)

    def _grow(self, needed: int) -> None:
        old = len(self._slots) + len(self._free)
        extra = max(needed, old, 16)
        for name, dtype in self._columns.items():
            setattr(self, name, np.concatenate([getattr(self, name), np.zeros(extra, dtype)]))
        self._free = np.concatenate([self._free, np.arange(old, old + extra)])


class AgentTable(SlotTable):
    """Living agents of one behavior id.

    Attributes (all of shape (slots,), indexed by slot):
        open_row: row of the decision that this agent is carrying out; its next reward pays for it.
        trajectory_steps: decisions rewarded since the trajectory was last cut (`time_horizon`).
        episode_steps: decisions rewarded since the episode began.
        episode_return: sum of the agent's own raw rewards in the episode.
        group_return: sum of the raw rewards of its group while it was there.
        group_id: the agent's group, 0 without one.
        group_offset: what its group had earned before the agent joined.
        group_joining: number of that joining, in order over all groups.
        discounted_return: running discounted sum of rewards, the statistic that `normalize_reward` scales by.
    """

    open_row: np.ndarray
    trajectory_steps: np.ndarray
    episode_steps: np.ndarray
    episode_return: np.ndarray
    group_return: np.ndarray
    group_id: np.ndarray
    group_offset: np.ndarray
    group_joining: np.ndarray
    discounted_return: np.ndarray

    def __init__(self) -> None:
        super().__init__(
            {
                "open_row": np.int64,
                "trajectory_steps": np.int64,
                "episode_steps": np.int64,
                "episode_return": np.float64,
                "group_return": np.float64,
                "group_id": np.int64,
                "group_offset": np.float64,
                "group_joining": np.int64,
                "discounted_return": np.float64,
            }
        )
