"""What a reward signal is: a stream of rewards with a discount and a value of its own."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from trainers.config import RewardSignalSettings
from trainers.experience.agents import AgentTable
from trainers.experience.rows import Rows
from trainers.experience.task import Task


class RewardSignal(ABC):
    """A stream of rewards.

    Args:
        name: the key of its block in `reward_signals`.
        settings: that block.
        task: the behavior that is paid.

    Attributes:
        gamma: discount per decision.
        strength: factor on the rewards.
        title: the name as TensorBoard tags have it: `Policy/<title> Reward`.
    """

    settings_class: ClassVar[type[RewardSignalSettings]]
    beyond_the_end: ClassVar[bool] = False
    """Whether the value goes on after a true end, as novelty does, for which an episode's end means nothing."""

    def __init__(self, name: str, settings: RewardSignalSettings, task: Task) -> None:
        del task  # for signals with a network of their own
        self.name, self.settings = name, settings
        self.gamma, self.strength = settings.gamma, settings.strength
        self.title = name.capitalize()

    @abstractmethod
    def rewards(self, rows: Rows) -> np.ndarray:
        """The rewards of rows as they are learned from, `strength` included, (n,)."""

    def update(self, rows: Rows) -> dict[str, float]:
        """Learn from the settled ones of these rows, after the policy has; returns figures by TensorBoard tag.

        They are a whole rollout, or a random minibatch of a replay buffer.
        """
        return {}

    @property
    def learns(self) -> bool:
        """Whether there is an `update`."""
        return type(self).update is not RewardSignal.update

    def earned(self, agents: AgentTable, slots: np.ndarray, own: np.ndarray, group: np.ndarray) -> None:
        """Agents were paid by the environment, (n,) each; called while training, before their rows are settled."""
        del agents, slots, own, group

    def of_episodes(self, own: np.ndarray, group: np.ndarray) -> np.ndarray | None:
        """What ended episodes were worth, (n,), from their own and group returns; None where these do not tell."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """Everything that makes the next rewards what they would have been, as tensors and numbers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        del state
