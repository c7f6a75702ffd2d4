"""Who is alive and who awaits a reward: agent ids mapped to slots of plain arrays."""

import numpy as np

COLUMNS = {
    "open_row": np.int64,
    "trajectory_steps": np.int64,
    "episode_steps": np.int64,
    "episode_return": np.float64,
    "group_return": np.float64,
    "discounted_return": np.float64,
}


class AgentTable:
    """Living agents of one behavior, one slot each, without a Python object per agent.

    Ids may be any integers, in any order and number, and may never come back: ids are kept sorted and looked
    up by bisection, and the slot of an agent whose episode ended is used again.

    Attributes (all of shape (slots,), indexed by slot):
        open_row: rollout row whose action this agent is carrying out, the one its next reward pays for.
        trajectory_steps: decisions rewarded since the trajectory was last cut (`time_horizon`).
        episode_steps: decisions rewarded since the episode began.
        episode_return: sum of the raw rewards of the episode.
        group_return: sum of the raw group rewards of the episode.
        discounted_return: running discounted sum of rewards, the statistic that `normalize_reward` scales by.
    """

    open_row: np.ndarray
    trajectory_steps: np.ndarray
    episode_steps: np.ndarray
    episode_return: np.ndarray
    group_return: np.ndarray
    discounted_return: np.ndarray

    def __init__(self) -> None:
        self._ids = np.empty(0, np.int64)
        self._slots = np.empty(0, np.int64)
        self._free = np.empty(0, np.int64)
        for name, dtype in COLUMNS.items():
            setattr(self, name, np.zeros(0, dtype))

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def slots(self) -> np.ndarray:
        """Slots of all living agents, shape (agents,)."""
        return self._slots

    def find(self, ids: np.ndarray) -> np.ndarray:
        """Slots of `ids`, shape (n,); -1 where the agent is not known."""
        if not len(self._ids):
            return np.full(len(ids), -1, np.int64)
        position = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where(self._ids[position] == ids, self._slots[position], -1)

    def add(self, ids: np.ndarray) -> np.ndarray:
        """Give new agents a slot each, all columns zero; returns the slots, shape (n,)."""
        if len(ids) > len(self._free):
            self._grow(len(ids) - len(self._free))
        slots, self._free = self._free[: len(ids)], self._free[len(ids) :]
        for name in COLUMNS:
            getattr(self, name)[slots] = 0
        order = np.argsort(np.concatenate([self._ids, ids]), kind="stable")
        self._ids = np.concatenate([self._ids, ids])[order]
        self._slots = np.concatenate([self._slots, slots])[order]
        return slots

    def remove(self, slots: np.ndarray) -> None:
        """Forget the agents in `slots`; their slots may be used again."""
        gone = np.isin(self._slots, slots)
        self._free = np.concatenate([self._slots[gone], self._free])
        self._ids, self._slots = self._ids[~gone], self._slots[~gone]

    def clear(self) -> None:
        """Forget every agent, as when the environment is reset."""
        self.remove(self._slots)

    def _grow(self, needed: int) -> None:
        old = len(self.open_row)
        extra = max(needed, old, 16)
        for name, dtype in COLUMNS.items():
            setattr(self, name, np.concatenate([getattr(self, name), np.zeros(extra, dtype)]))
        self._free = np.concatenate([self._free, np.arange(old, old + extra)])
