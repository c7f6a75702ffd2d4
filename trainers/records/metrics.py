"""Episode results and training figures of a behavior since its last summary, by TensorBoard tag."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gym_adapters.text import one_line

REWARD = "Environment/Cumulative Reward"
GROUP_REWARD = "Environment/Group Cumulative Reward"
REWARD_DEVIATION = "Environment/Cumulative Reward Deviation"
EPISODE_LENGTH = "Environment/Episode Length"
ELO = "Self-play/ELO"
SPEED = "Speed/Steps per Second"
EVALUATION = "Evaluation/"
"""Prefix of the tags of an evaluation while training."""
EVALUATION_RETURN = f"{EVALUATION}Return"
EVALUATION_DEVIATION = f"{EVALUATION}Return Deviation"
EVALUATION_LENGTH = f"{EVALUATION}Episode Length"
BEST_WINDOW = 100

LONGEST_TAG = 200
"""Letters of a statistic's name that reports keep."""
SCENE = "Scene/"
"""Prefix of a statistic that a scene reports under a name of the trainer's own."""

OWN = frozenset({REWARD, REWARD_DEVIATION, GROUP_REWARD, EPISODE_LENGTH, SPEED, "step", "seconds"})
OWN_GROUPS = ("Policy/", "Losses/", "Self-play/", "Environment/Lesson Number/", EVALUATION)
"""The trainer's own tags, and the columns of `progress.csv` that are no tags."""

Reported = Mapping[str, Sequence[tuple[float, str]]]
"""An environment's own statistics: for each tag, values with the names of their `StatsAggregationMethod`."""


@dataclass(frozen=True)
class Summary:
    """The results of one behavior since its last summary.

    Attributes:
        behavior: its name.
        step: agent steps in all.
        elapsed: seconds since the session began.
        values: one number for each TensorBoard tag.
        histograms: all numbers of each tag that TensorBoard shows as a distribution.
        returns: raw returns of the episodes that ended.
        training: whether the behavior was learning.
        best: the highest mean return of 100 episodes at any summary so far, or of any evaluation; None before.
    """

    behavior: str
    step: int
    elapsed: float
    values: dict[str, float]
    histograms: dict[str, list[float]]
    returns: list[float]
    training: bool
    best: float | None = None


class Metrics:
    """Collects values by tag. A summary is the mean of each tag's values since the summary before.

    Attributes:
        episode_returns: raw returns of the episodes ended since the last summary.
        recent_returns: raw own plus group returns of the last 100 episodes since the present lesson began; their mean
            decides about `best.pt`.
        lesson_returns: the newest such returns, as many as the curriculum measures.
        standing: values by tag that every summary repeats, such as the number of the lesson.
        episodes: episodes ended in all.
        ended: own plus group return and decisions of each episode that ended, for `monitor.csv`, which takes them out;
            None without that file.
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
        self.ended: list[tuple[float, float]] | None = None

    def add(self, tag: str, value: float) -> None:
        """Record one value."""
        self._values[tag].append(value)

    def extend(self, tag: str, values: np.ndarray) -> None:
        """Record several values, shape (n,); each counts the same in the mean."""
        self._values[tag] += values.tolist()

    def add_episodes(self, own: np.ndarray, group: np.ndarray, lengths: np.ndarray) -> None:
        """Record ended episodes of n agents.

        `recent_returns` and `lesson_returns` take the sum of own and group return.

        Args:
            own: raw returns of the agents, shape (n,).
            group: raw returns of their groups, shape (n,); 0 without a group.
            lengths: agent decisions, shape (n,).
        """
        self.episode_returns += own.tolist()
        reached = (own + group).tolist()
        self.recent_returns.extend(reached)
        self.lesson_returns.extend(reached)
        self.episodes += len(own)
        if self.ended is not None:
            self.ended += zip(reached, lengths.tolist(), strict=True)
        self.extend(REWARD, own)
        self.extend(EPISODE_LENGTH, lengths)

    def add_groups(self, returns: np.ndarray) -> None:
        """Record groups whose last member has left, by the sums of their group rewards, shape (groups,)."""
        self.extend(GROUP_REWARD, returns)

    def begin_lesson(self) -> None:
        """Forget the returns of the lesson before, which do not compare."""
        self.lesson_returns.clear()
        self.recent_returns.clear()

    @property
    def is_full(self) -> bool:
        """Whether there were 100 episodes, so that their mean decides about `best.pt`."""
        return len(self.recent_returns) == BEST_WINDOW

    @property
    def recent_mean(self) -> float:
        """Mean raw return of the last 100 episodes; NaN before the first one ended."""
        return float(np.mean(self.recent_returns)) if self.recent_returns else float("nan")

    def add_reported(self, statistics: Reported) -> None:
        """Record the statistics of a Unity environment.

        As in ML-Agents, a tag in histogram mode has its mean, and its distribution under the tag with `_hist`. A tag
        that is the trainer's own gets the prefix `SCENE`, so that neither changes the other.
        """
        for name, reports in statistics.items():
            tag = one_line(name, LONGEST_TAG)
            tag = f"{SCENE}{tag}" if _is_own(tag) else tag
            for value, method in reports:
                if method == "SUM":
                    self._sums[tag] += value
                elif method == "MOST_RECENT":
                    self._latest[tag] = value
                else:
                    self._values[tag].append(value)
                if method == "HISTOGRAM":
                    self._histograms[f"{tag}_hist"].append(value)

    def absorb(self, figures: "Metrics") -> None:
        """Take over the values that another object has collected by tag, such as those of an update in a thread."""
        for tag, values in figures.take_values().items():
            self._values[tag] += values

    def take_values(self) -> dict[str, list[float]]:
        """Return the values by tag that were recorded since the last summary, and forget them."""
        values, self._values = self._values, defaultdict(list)
        return values

    def summarise(self) -> tuple[dict[str, float], dict[str, list[float]], list[float]]:
        """Return what was collected since the last call, and forget it.

        Returns:
            One number for each tag, the histograms by tag, and the raw returns of the episodes.
        """
        means = {tag: float(np.mean(values)) for tag, values in self._values.items() if values}
        values = {**means, **self._sums, **self._latest}
        if values:
            values |= self.standing
        histograms, returns = dict(self._histograms), self.episode_returns
        if returns:
            histograms[f"{REWARD}_hist"] = returns
            values[REWARD_DEVIATION] = float(np.std(returns))
        if group_returns := self._values.get(GROUP_REWARD):
            histograms[f"{GROUP_REWARD}_hist"] = group_returns
        self.episode_returns = []
        for collected in (self._values, self._sums, self._latest, self._histograms):
            collected.clear()
        return values, histograms, returns


def _is_own(tag: str) -> bool:
    return tag.removesuffix("_hist") in OWN or tag.startswith(OWN_GROUPS)
