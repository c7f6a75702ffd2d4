"""What a behavior did since the last summary: episode results and training figures, by TensorBoard tag."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

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
        values: one number for each TensorBoard tag.
        histograms: the numbers behind each tag that is shown as a distribution.
        returns: raw returns of the episodes that ended.
        training: whether it was learning.
    """

    behavior: str
    step: int
    elapsed: float
    values: dict[str, float]
    histograms: dict[str, list[float]]
    returns: list[float]
    training: bool


class Metrics:
    """Collects values by tag; a summary is the mean of each since the one before.

    Attributes:
        episode_returns: raw returns of the episodes ended since the last summary.
        recent_returns: raw own plus group returns of the last 100 episodes, the measure of `best.pt`.
        lesson_returns: such returns since the last lesson began, the newest ones.
        standing: values that go into every summary as they are.
    """

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)
        self._sums: dict[str, float] = defaultdict(float)
        self._latest: dict[str, float] = {}
        self._histograms: dict[str, list[float]] = defaultdict(list)
        self.episode_returns: list[float] = []
        self.recent_returns: deque[float] = deque(maxlen=BEST_WINDOW)
        self.lesson_returns: deque[float] = deque(maxlen=1)
        self.standing: dict[str, float] = {}
        self.episodes = 0

    def add(self, tag: str, value: float) -> None:
        """Record one value."""
        self._values[tag].append(value)

    def extend(self, tag: str, values: np.ndarray) -> None:
        """Record several values, each of which counts the same in the mean."""
        self._values[tag] += values.tolist()

    def add_episodes(self, own: np.ndarray, group: np.ndarray, lengths: np.ndarray) -> None:
        """Record ended episodes: raw returns of the agents and of their groups, and lengths in agent decisions.

        What a behavior has reached (`recent_returns`, `lesson_returns`) is own and group return together.
        """
        self.episode_returns += own.tolist()
        reached = (own + group).tolist()
        self.recent_returns.extend(reached)
        self.lesson_returns.extend(reached)
        self.episodes += len(own)
        self.extend(REWARD, own)
        self.extend(EPISODE_LENGTH, lengths)

    def add_groups(self, returns: np.ndarray) -> None:
        """Record groups whose last member has left: the sums of their group rewards."""
        self.extend(GROUP_REWARD, returns)

    @property
    def recent_mean(self) -> float:
        """Mean return of the last 100 episodes; NaN before the first one ended."""
        return float(np.mean(self.recent_returns)) if self.recent_returns else float("nan")

    def add_reported(self, statistics: Mapping[str, Sequence[tuple[float, Enum]]]) -> None:
        """Record what a Unity environment reported of itself: per tag, values with their `StatsAggregationMethod`."""
        for tag, reports in statistics.items():
            for value, method in reports:
                if method.name == "AVERAGE":
                    self._values[tag].append(value)
                elif method.name == "SUM":
                    self._sums[tag] += value
                elif method.name == "MOST_RECENT":
                    self._latest[tag] = value
                else:
                    self._histograms[tag].append(value)

    def summarise(self) -> tuple[dict[str, float], dict[str, list[float]], list[float]]:
        """One number per tag, histograms, and the episode returns since the last call; starts afresh."""
        means = {tag: float(np.mean(values)) for tag, values in self._values.items() if values}
        values = {**means, **self._sums, **self._latest}
        if values:
            values |= self.standing
        histograms, returns = dict(self._histograms), self.episode_returns
        if returns:
            histograms[f"{REWARD}_hist"] = returns
        self.episode_returns = []
        for collected in (self._values, self._sums, self._latest, self._histograms):
            collected.clear()
        return values, histograms, returns
