"""What a behavior did since the last summary: episode results and training figures, by TensorBoard tag."""

from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np

REWARD = "Environment/Cumulative Reward"
GROUP_REWARD = "Environment/Group Cumulative Reward"
EPISODE_LENGTH = "Environment/Episode Length"
BEST_WINDOW = 100


@dataclass(frozen=True)
class Summary:
    """What one behavior did since its last summary.

    Attributes:
        behavior: its name.
        step: agent steps so far.
        elapsed: seconds since the session began.
        values: mean of each TensorBoard tag.
        returns: raw returns of the episodes that ended.
        training: whether it was learning.
    """

    behavior: str
    step: int
    elapsed: float
    values: dict[str, float]
    returns: list[float]
    training: bool


class Metrics:
    """Collects values by tag; a summary is the mean of each since the one before.

    Attributes:
        episode_returns: raw returns of the episodes ended since the last summary.
        recent_returns: raw returns of the last 100 episodes, the measure of `best.pt`.
    """

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)
        self.episode_returns: list[float] = []
        self.recent_returns: deque[float] = deque(maxlen=BEST_WINDOW)
        self.episodes = 0

    def add(self, tag: str, value: float) -> None:
        """Record one value of `tag`."""
        self._values[tag].append(value)

    def add_episodes(
        self, returns: np.ndarray, lengths: np.ndarray, group_returns: np.ndarray | None
    ) -> None:
        """Record ended episodes: raw returns, lengths in agent decisions, and group returns where groups exist."""
        self.episode_returns += returns.tolist()
        self.recent_returns.extend(returns.tolist())
        self.episodes += len(returns)
        self._values[REWARD] += returns.tolist()
        self._values[EPISODE_LENGTH] += lengths.tolist()
        if group_returns is not None:
            self._values[GROUP_REWARD] += group_returns.tolist()

    @property
    def recent_mean(self) -> float:
        """Mean return of the last 100 episodes; NaN before the first one ended."""
        return float(np.mean(self.recent_returns)) if self.recent_returns else float("nan")

    def summarise(self) -> tuple[dict[str, float], list[float]]:
        """Mean per tag and the episode returns since the last call; starts afresh."""
        means = {tag: float(np.mean(values)) for tag, values in self._values.items() if values}
        returns, self.episode_returns = self.episode_returns, []
        self._values.clear()
        return means, returns
