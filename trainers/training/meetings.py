"""Meetings of the ranks: what they tell each other, and when they meet again.

Between meetings each rank steps its own environments and talks to no one. At a meeting all learn what happened on every
rank: rewarded decisions, ended episodes, statistics, new behaviors, a wish to stop. What follows from it is therefore
the same on all ranks: updates, schedules, lessons, ratings, summaries, checkpoints and the end.
"""

import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.text import one_line
from trainers.algorithms.learner import Learner
from trainers.networks.behavior_spec import describe_spec, spec_from
from trainers.optim.collective import Collective, JointError

MOST_SECONDS = 1.0
"""Time after which the ranks meet at the latest, so that a wish to stop is heard soon."""


class Meetings:
    """The meetings of a run.

    Args:
        collective: the ranks.

    Attributes:
        behaviors: the behaviors that the ranks have agreed on, by behavior id, in the same order on all of them.
        stopping: whether any rank wanted to stop at the last meeting.
    """

    def __init__(self, collective: Collective) -> None:
        self.collective = collective
        self.behaviors: dict[str, BehaviorSpec] = {}
        self.stopping = False
        self._reported: list[dict[str, list[tuple[float, str]]]] = []
        self._left = 1
        self._interval = 0
        self._since = time.perf_counter()
        self._rates: dict[str, float] = {}
        self._seconds = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the ranks meet in this step of the environment. Called once in each."""
        self._left -= 1
        self._interval += 1
        return self._left <= 0

    def report(self, statistics: Mapping[str, Sequence[tuple[float, Any]]]) -> None:
        """Keep an environment's own statistics until the next meeting."""
        if statistics:
            told = {
                name: [(float(value), method.name) for value, method in reports]
                for name, reports in statistics.items()
            }
            self._reported.append(told)

    def meet(
        self, learners: Sequence[Learner], found: Mapping[str, BehaviorSpec], stop: bool
    ) -> dict[str, BehaviorSpec]:
        """Meet the other ranks, and let the learners add up what happened.

        Args:
            learners: the learners of all behaviors, in the order in which they were made.
            found: the behaviors that this rank's environment has, by behavior id.
            stop: whether this rank wants to stop.

        Returns:
            The behaviors that some rank has found since the last meeting, by behavior id, in the same order on all.

        Raises:
            JointError: the ranks have found different behaviors of the same name.
        """
        taken = [learner.news.take() for learner in learners]
        events = {learner.name: told for learner, (_, told) in zip(learners, taken, strict=True) if told}
        unknown = {name: describe_spec(spec) for name, spec in found.items() if name not in self.behaviors}
        speech = {"behaviors": unknown, "events": events, "reported": self._reported}
        self._reported = []
        numbers = [float(stop), time.perf_counter() - self._since, float(any(speech.values()))]
        for learner, (decisions, _) in zip(learners, taken, strict=True):
            moves = 0 if learner.opponents is None else learner.opponents.untold()
            numbers += [learner.store.settled_rows, decisions, moves]
        table = self.collective.gather(np.array(numbers))
        speeches = self.collective.gather_values(speech) if table[:, 2].any() else []
        self.stopping = self.stopping or bool(table[:, 0].any())
        self._seconds = float(table[:, 1].max()) / max(1, self._interval)
        for index, learner in enumerate(learners):
            rows, decisions, moves = table[:, 3 + 3 * index : 6 + 3 * index].T.astype(np.int64)
            self._rates[learner.name] = decisions.sum() / max(1, self._interval)
            told = [each["events"].get(learner.name, {}) for each in speeches]
            learner.meet(rows, int(decisions.sum()), int(moves.sum()), told)
            for each in speeches:
                for statistics in each["reported"]:
                    if not learner.finished:
                        learner.metrics.add_reported(_methods_of(statistics))
        return self._agree([each["behaviors"] for each in speeches])

    def part(self, learners: Sequence[Learner], due: Mapping[str, int]) -> None:
        """End a meeting, and settle when to meet again: when a learner is ready, or a report is due.

        Args:
            learners: all learners.
            due: by the name of the behavior, agent steps until the next summary, checkpoint or end.
        """
        steps = [
            min(learner.missing, due[learner.name]) / self._rates[learner.name]
            for learner in learners
            if learner.training and self._rates.get(learner.name)
        ]
        soon = MOST_SECONDS / max(self._seconds, 1e-9)
        self._left = int(max(1.0, min([*steps, soon]))) if steps else 1
        self._interval = 0
        self._since = time.perf_counter()
        for learner in learners:
            learner.part()

    def _agree(self, found: Sequence[Mapping[str, Any]]) -> dict[str, BehaviorSpec]:
        """Return the new behaviors of all ranks, from the descriptions that each rank found by behavior id."""
        first: dict[str, tuple[int, Any]] = {}
        for rank, behaviors in enumerate(found):
            for name, description in behaviors.items():
                earlier, same = first.setdefault(name, (rank, description))
                if description != same:
                    raise JointError(
                        f"behavior {one_line(name, 100)}: rank {rank} has {description}, rank {earlier} has {same}; "
                        "use the same environment on all ranks"
                    )
        new = {name: spec_from({**description, "name": name}) for name, (_, description) in first.items()}
        new = {name: spec for name, spec in new.items() if name not in self.behaviors}
        self.behaviors |= new
        return new


def _methods_of(statistics: Mapping[str, Sequence[tuple[float, str]]]) -> Mapping[str, Any]:
    """Return statistics with an object for each method, as `Metrics.add_reported` takes them."""
    return {
        name: [(value, SimpleNamespace(name=method)) for value, method in reports]
        for name, reports in statistics.items()
    }
