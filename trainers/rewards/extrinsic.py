"""The reward signal of the environment's own rewards."""

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from trainers.config import ExtrinsicSettings
from trainers.experience.agents import AgentTable
from trainers.experience.rows import Rows
from trainers.experience.task import Task
from trainers.networks.normalizer import RunningMoments
from trainers.rewards.signal import RewardSignal

SCALED_REWARD_LIMIT = 10.0
"""Rewards are clipped to [-10, 10] after the division by the deviation."""


class Extrinsic(RewardSignal):
    """An agent's own reward plus its group's.

    With the extension key `reward_clip`, rewards are clipped to [-reward_clip, reward_clip]. With `normalize_reward`,
    they are divided by the standard deviation of the discounted return.
    Source of the division: Engstrom et al. 2020, "Implementation Matters in Deep Policy Gradients".

    Args:
        name: `extrinsic`.
        settings: its block of the training file.
        task: the behavior.
    """

    settings_class = ExtrinsicSettings

    def __init__(self, name: str, settings: ExtrinsicSettings, task: Task) -> None:
        super().__init__(name, settings, task)
        self.clip, self.scale = task.settings.reward_clip, task.settings.normalize_reward
        self.return_moments = RunningMoments(1, task.collective)

    def rewards(self, rows: Rows) -> np.ndarray:
        """See `RewardSignal.rewards`."""
        reward = self._clipped(rows.reward, rows.group_reward)
        if not self.scale:
            return reward
        deviation = np.sqrt(self.return_moments.variance[0] + 1e-8)
        return np.clip(reward / deviation, -SCALED_REWARD_LIMIT, SCALED_REWARD_LIMIT)

    def earned(self, agents: AgentTable, slots: np.ndarray, own: np.ndarray, group: np.ndarray) -> None:
        """See `RewardSignal.earned`. Updates the discounted returns and their deviation."""
        if self.scale:
            gamma = np.float32(self.gamma)
            discounted = agents.discounted_return[slots] * gamma + self._clipped(own, group)
            agents.discounted_return[slots] = discounted
            self.return_moments.update(discounted[:, None])

    def frozen(self) -> Self:
        """See `RewardSignal.frozen`."""
        frozen = copy.copy(self)
        frozen.return_moments = copy.copy(self.return_moments)
        return frozen

    @property
    def shared_moments(self) -> Sequence[RunningMoments]:
        """See `RewardSignal.shared_moments`."""
        return (self.return_moments,) if self.scale else ()

    def of_episodes(self, own: np.ndarray, group: np.ndarray) -> np.ndarray:
        """See `RewardSignal.of_episodes`."""
        return (own + group) * self.strength

    def state_dict(self) -> dict[str, Any]:
        """See `RewardSignal.state_dict`."""
        return {"return_moments": self.return_moments.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `RewardSignal.load_state_dict`."""
        self.return_moments.load_state_dict(state["return_moments"])

    def _clipped(self, own: np.ndarray, group: np.ndarray) -> np.ndarray:
        reward = (own + group) * self.strength
        return reward if self.clip is None else np.clip(reward, -self.clip, self.clip)
