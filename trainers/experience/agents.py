"""Tables of living agents, which map ids to slots of numpy arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class AgentBatch:
    """The agents that request a decision in this step, in the environment's order.

    Attributes:
        slots: (n,) slot of each agent in its `AgentTable`.
        observations: one (n, *shape) array per observation.
        forbidden: (n, sum of branch sizes) bool, True where an action is forbidden; None if none is.
        memory: (n, memory_size) float32, what each agent remembers; None for a policy without memory.
        noise: (n, noise_size) float32, the noise in each agent's action before; None if it is not kept.
    """

    slots: np.ndarray
    observations: list[np.ndarray]
    forbidden: np.ndarray | None
    memory: np.ndarray | None = None
    noise: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.slots)


class SlotTable:
    """Maps ids to slots, which index numpy arrays. There is no Python object per id.

    Ids may be any integers in any order. They are kept sorted and are found by binary search. The slot of a removed id
    is used again.

    Args:
        columns: name and dtype of each array, which becomes an attribute of shape (slots,), or (slots, k) if the dtype
            is that of k numbers.
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
        """The slots in use, in the order of their ids."""
        return self._slots

    def find(self, ids: np.ndarray) -> np.ndarray:
        """Return the slots of ids (n,), shape (n,); -1 for an unknown id."""
        if not len(self._ids):
            return np.full(len(ids), -1, np.int64)
        position = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where(self._ids[position] == ids, self._slots[position], -1)

    def add(self, ids: np.ndarray) -> np.ndarray:
        """Give a slot to each of the new ids (n,), with all columns 0, and return the slots, (n,)."""
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
        """Remove the ids in these slots. The slots may be used again."""
        gone = np.isin(self._slots, slots)
        self._free = np.concatenate([self._slots[gone], self._free])
        self._ids, self._slots = self._ids[~gone], self._slots[~gone]

    def clear(self) -> None:
        """Remove all ids."""
        self.remove(self._slots)

    def _grow(self, needed: int) -> None:
        old = len(self._slots) + len(self._free)
        extra = max(needed, old, 16)
        for name, dtype in self._columns.items():
            setattr(self, name, np.concatenate([getattr(self, name), np.zeros(extra, dtype)]))
        self._free = np.concatenate([self._free, np.arange(old, old + extra)])


class AgentTable(SlotTable):
    """The living agents of one behavior id.

    Args:
        memory_size: length of the vector that each agent remembers; 0 without memory.
        noise_size: continuous actions whose noise is kept; 0 for none.

    Attributes, all of shape (slots,):
        open_row: row of the agent's newest decision, whose reward has not arrived.
        trajectory_steps: decisions rewarded since the trajectory was last cut (ML-Agents key `time_horizon`).
        episode_steps: decisions rewarded in this episode.
        episode_return: sum of the agent's own raw rewards in this episode.
        group_return: sum of the raw group rewards that the agent received in this episode.
        group_id: id of the agent's group; 0 without one.
        group_offset: the group's total minus the agent's `group_return`.
        group_joining: position of this joining in the order of all joinings.
        discounted_return: running discounted sum of the rewards, whose deviation `normalize_reward` divides by.
        memory: what the agent remembers, (slots, memory_size). It begins with zeros.
        noise: the noise in the agent's newest action, (slots, noise_size). It begins with zeros.
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
    memory: np.ndarray
    noise: np.ndarray

    def __init__(self, memory_size: int = 0, noise_size: int = 0) -> None:
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
                **({"memory": (np.float32, (memory_size,))} if memory_size else {}),
                **({"noise": (np.float32, (noise_size,))} if noise_size else {}),
            }
        )

    def noise_of(self, slots: np.ndarray) -> np.ndarray | None:
        """Return the noise in the newest actions of the agents in `slots`, (n, noise_size); None if it is not kept."""
        return self.noise[slots] if "noise" in self._columns else None
