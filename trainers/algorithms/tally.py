"""The counts of a behavior: decisions, episodes and games, added up over all ranks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trainers.algorithms.opponent import Opponents
from trainers.experience.episodes import EpisodeSums
from trainers.experience.rows import Rows
from trainers.experience.store import Store
from trainers.optim.collective import Collective
from trainers.records.metrics import ELO, Metrics
from trainers.records.news import News
from trainers.rewards.signal import RewardSignal, stacked_rewards

MEASURED = "measured"
"""Kind of the episodes of a behavior that has finished, by which lessons are judged all the same."""


class Tally(ABC):
    """Counts what happens to a behavior. With several ranks, nothing counts before they meet, and then on all of them.

    Args:
        collective: the ranks that learn the behavior together.

    Attributes:
        step: agent decisions rewarded so far, over all agents and ranks.
        finished: whether training is complete. Then nothing is counted or recorded any more; only lessons that wait for
            this behavior go on measuring it.
        metrics: episode returns and training figures since the last summary.
        signals: the active reward signals.
        summed_signals: those whose sums over episodes come from rows, see `report_sums`.
        episode_sums: their sums over the episodes in progress.
        opponents: the past policies of self-play; None without.
        news: what happened since the ranks last met.
        rows: (ranks,) settled rows of each rank while the ranks meet; else None.
    """

    signals: list[RewardSignal]
    summed_signals: list[RewardSignal]
    episode_sums: EpisodeSums
    opponents: Opponents | None

    def __init__(self, collective: Collective) -> None:
        self.collective = collective
        self.step = 0
        self.finished = False
        self.metrics, self.news = Metrics(), News()
        self.rows: np.ndarray | None = None

    @property
    @abstractmethod
    def store(self) -> Store:
        """The store of decisions."""

    def count(self, decisions: int) -> None:
        """Count rewarded decisions of this process."""
        if self.alone:
            self.step += decisions
        else:
            self.news.decisions += decisions

    def ended(self, own: np.ndarray, group: np.ndarray, lengths: np.ndarray) -> None:
        """See `Mind.ended`."""
        if self.finished:
            self._tell(MEASURED, own + group)
        else:
            self._tell("episodes", own, group, lengths)

    def _add_episodes(self, own: np.ndarray, group: np.ndarray, lengths: np.ndarray) -> None:
        self.metrics.add_episodes(own, group, lengths)
        for signal in self.signals:
            rewards = signal.of_episodes(own, group)
            if rewards is not None:
                self.metrics.extend(f"Policy/{signal.title} Reward", rewards)

    def _measure(self, reached: np.ndarray) -> None:
        self.metrics.lesson_returns.extend(reached.tolist())

    def groups_ended(self, returns: np.ndarray) -> None:
        """See `Mind.groups_ended`."""
        if not self.finished:
            self._tell("groups", returns)

    def games_ended(self, scores: np.ndarray) -> None:
        """See `Mind.games_ended`. Games against opponents are rated."""
        if not self.finished:
            self._tell("games", scores)

    def _rate_games(self, scores: np.ndarray) -> None:
        if self.opponents is not None and self.opponents.rivals:
            for score in scores.tolist():
                self.metrics.add(ELO, self.opponents.rate(score))

    def meet(
        self, rows: np.ndarray, decisions: int, moves: int, events: Sequence[Mapping[str, list[Any]]]
    ) -> None:
        """Add up what happened on all ranks since they last met. They are together until `part` is called.

        Args:
            rows: (ranks,) settled rows of each rank.
            decisions: decisions rewarded on all ranks.
            moves: decisions of all opponents on all ranks.
            events: what `News.take` returned on each rank.
        """
        self.rows = rows
        if not self.finished:
            self.step += decisions
            if self.opponents is not None:
                self.opponents.count(moves)
        for told in events:
            for kind, lines in told.items():
                if kind == MEASURED or not self.finished:
                    self._events[kind](*np.array(lines, np.float64).T)

    def part(self) -> None:
        """End a meeting. Nothing is learned until the next one."""
        self.rows = None

    @property
    def alone(self) -> bool:
        """Whether this process trains alone."""
        return self.collective.size == 1

    @property
    def all_rows(self) -> int:
        """Settled rows of all ranks; 0 unless they meet and each of them has one."""
        if self.alone:
            return self.store.settled_rows
        return 0 if self.rows is None or not self.rows.all() else int(self.rows.sum())

    @property
    def missing(self) -> float:
        """Decisions of all ranks to be rewarded until the next update, by which the ranks know when to meet again."""
        return 0.0

    @property
    def merit(self) -> float:
        """The measure of the best policy: the mean return of recent episodes, or with self-play the Elo rating."""
        return self.metrics.recent_mean if self.opponents is None else self.opponents.latest.rating

    def share_moments(self) -> None:
        """Merge what reward signals have measured on each rank. Called when an update begins."""
        for signal in self.signals:
            for moments in signal.shared_moments:
                moments.share()

    def report_sums(
        self, numbers: np.ndarray, rows: Rows, next_row: np.ndarray, starts: np.ndarray | None = None
    ) -> None:
        """Report the sums of `summed_signals` over the episodes that ended, given the rows since the last call.

        Args:
            numbers: (n,) numbers of the rows, ascending; among them those that `episode_sums` waits for.
            rows: the rows.
            next_row: (n,) numbers of the agents' next rows.
            starts: (batches,) index of the first row of each step batch; None takes rows one by one.
        """
        rewards = stacked_rewards(self.summed_signals, rows)
        starts = np.arange(len(numbers)) if starts is None else starts
        sums = self.episode_sums.add(numbers, rewards, next_row, rows.ending, rows.settled, starts)
        for index in range(len(self.summed_signals)):
            self._tell("sums", np.full(len(sums), index), sums[:, index])

    def _tell(self, kind: str, *columns: np.ndarray) -> None:
        """Add events of a kind, in columns of shape (n,), at once or when the ranks meet."""
        if self.alone:
            self._events[kind](*columns)
        else:
            self.news.add(kind, *columns)

    @property
    def _events(self) -> dict[str, Callable[..., None]]:
        """What is done about each kind of event."""
        return {
            "episodes": self._add_episodes,
            MEASURED: self._measure,
            "groups": self.metrics.add_groups,
            "games": self._rate_games,
            "sums": self._add_sums,
        }

    def _add_sums(self, indices: np.ndarray, sums: np.ndarray) -> None:
        for index, signal in enumerate(self.summed_signals):
            self.metrics.extend(f"Policy/{signal.title} Reward", sums[indices == index])
