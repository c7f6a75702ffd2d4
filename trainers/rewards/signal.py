"""The interface of reward signals. Each has its own discount, and its own value in the critic."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from gym_adapters.errors import UserError
from gym_adapters.text import joined_lines
from trainers.config import RewardSignalSettings, catalogue, plugins
from trainers.experience.agents import AgentTable
from trainers.experience.rows import Rows
from trainers.experience.task import Task
from trainers.networks.normalizer import RunningMoments


def make_signal(name: str, settings: RewardSignalSettings, task: Task) -> "RewardSignal":
    """Return the reward signal of this name.

    Args:
        name: the key of its block in `reward_signals`.
        settings: that block.
        task: the behavior that is rewarded.

    Raises:
        UserError: it cannot be made, or another package adds it and its class is at fault.
    """
    listed = catalogue.signal(name)
    assert listed is not None
    signal_class: type[RewardSignal] = listed.load()
    if listed.is_own:
        return signal_class(name, settings, task)
    with plugins.using(plugins.REWARD_SIGNAL, name):
        signal = signal_class(name, settings, task)
    if not hasattr(signal, "title"):
        reason = f"{signal_class.__qualname__}.__init__ does not call that of its base class"
        raise plugins.unusable(plugins.REWARD_SIGNAL, name, reason)
    return signal


def stacked_rewards(signals: Sequence["RewardSignal"], rows: Rows) -> np.ndarray:
    """Return the rewards of n rows from each signal, (n, streams).

    Raises:
        UserError: a signal gives another number of rewards, or a settled row one that is not finite.
    """
    streams = [_numbers(signal, signal.rewards(rows)) for signal in signals]
    for signal, stream in zip(signals, streams, strict=True):
        if stream.shape != rows.settled.shape:
            raise UserError(
                f"reward signal {signal.name}: gives rewards of shape {stream.shape}, expected {rows.settled.shape}, "
                "one for each row"
            )
        if not np.isfinite(stream).all(where=rows.settled):
            advice = (
                "its learning_rate or strength"
                if hasattr(signal.settings, "learning_rate")
                else "its strength"
            )
            raise UserError(
                f"reward signal {signal.name}: gives a reward that is not finite; lower {advice}, or scale the "
                "environment's numbers down"
            )
    return np.stack(streams, axis=1)


def _numbers(signal: "RewardSignal", found: Any) -> np.ndarray:
    """Return what a signal gives as an array of numbers."""
    try:
        array = np.asarray(found)
        reason = "" if array.dtype.kind in "biuf" else f"has numpy type {array.dtype}"
    except (RuntimeError, TypeError, ValueError) as error:  # a tensor that learns, or a ragged list
        reason = joined_lines(error)
    if reason:
        raise UserError(
            f"reward signal {signal.name}: rewards gives {type(found).__name__}, expected an array of numbers; {reason}"
        )
    return array


def updated(signal: "RewardSignal", rows: Rows) -> dict[str, float]:
    """Let a signal learn from rows; see `RewardSignal.update`.

    Raises:
        UserError: what it reports are no numbers by tag.
    """
    figures = signal.update(rows)
    try:
        return {str(tag): float(value) for tag, value in figures.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f"reward signal {signal.name}: update returns {figures!r:.100}, expected numbers by TensorBoard tag"
        ) from error


class RewardSignal(ABC):
    """A stream of rewards.

    Args:
        name: the key of its block in `reward_signals`.
        settings: that block.
        task: the behavior that is rewarded, for signals with a network of their own.

    Attributes:
        gamma: discount per decision (ML-Agents key).
        strength: factor on the rewards (ML-Agents key).
        title: the name in the TensorBoard tag `Policy/<title> Reward`.
    """

    settings_class: ClassVar[type[RewardSignalSettings]]
    beyond_the_end: ClassVar[bool] = False
    """Whether the value of the next observation counts after termination too, as it may for novelty rewards.

    Source: Burda et al. 2019, "Exploration by Random Network Distillation", section 2.3.
    """

    def __init__(self, name: str, settings: RewardSignalSettings, task: Task) -> None:
        self.name, self.settings = name, settings
        self.gamma, self.strength = settings.gamma, settings.strength
        self.title = name.capitalize()

    @abstractmethod
    def rewards(self, rows: Rows) -> np.ndarray:
        """Return the rewards that are learned from, times `strength`, (n,)."""

    def update(self, rows: Rows) -> dict[str, float]:
        """Learn from rows, after the policy has learned from them. Return scalars by TensorBoard tag.

        Args:
            rows: a whole rollout, or a random minibatch of a replay buffer. Only the settled rows count.
        """
        return {}

    def frozen(self) -> Self:
        """Return the signal for an update in a thread: `earned` must not change the rewards that it gives.

        That is the signal itself, unless it implements `earned`.
        """
        return self

    @property
    def shared_moments(self) -> Sequence[RunningMoments]:
        """The moments that an update needs of all ranks; it merges them first."""
        return ()

    @property
    def learns(self) -> bool:
        """Whether the signal implements `update`."""
        return type(self).update is not RewardSignal.update

    @property
    def told_by_returns(self) -> bool:
        """Whether the signal implements `of_episodes`."""
        return type(self).of_episodes is not RewardSignal.of_episodes

    def earned(self, agents: AgentTable, slots: np.ndarray, own: np.ndarray, group: np.ndarray) -> None:
        """Called when agents receive rewards in training, before their rows are settled.

        Args:
            agents: the table of the agents.
            slots: (n,) slots of the agents.
            own: (n,) the agents' own rewards.
            group: (n,) the rewards of their groups.
        """
        del agents, slots, own, group

    def of_episodes(self, own: np.ndarray, group: np.ndarray) -> np.ndarray | None:
        """Return the sums of this signal's rewards over ended episodes, (n,); None if the returns do not tell them.

        A learner then sums the rewards of rows.

        Args:
            own: (n,) sums of the agents' own rewards.
            group: (n,) sums of their groups' rewards.
        """
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return the signal's state as tensors and numbers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        del state
