"""Meetings of the ranks: what they tell each other, and when they meet again.

Between meetings each rank steps its own environments and talks to no one. At a meeting all learn what happened on every
rank: rewarded decisions, ended episodes, statistics, new behaviors, a wish to stop. What follows from it is therefore
the same on all ranks: updates, schedules, lessons, ratings, summaries, checkpoints and the end.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.text import one_line
from trainers.algorithms.actor import Actor
from trainers.algorithms.learner import Learner
from trainers.networks.behavior_spec import describe_spec, spec_from
from trainers.optim.collective import Collective, JointError
from trainers.records.metrics import Reported
from trainers.records.timers import TimerTree
from trainers.training.recorder import Recorder

MOST_SECONDS = 1.0
"""Time after which the ranks meet at the latest, so that a wish to stop is heard soon."""
ASKING_SECONDS = 0.02
"""Time between two looks at who waits at the next meeting."""


class Meetings:
    """The meetings of a run.

    A process that trains alone meets nobody: each behavior has its turn, and learns when it is ready.

    Args:
        collective: the ranks.
        recorders: the recorders of all behaviors seen so far, by name.
        begin: begins a behavior id of this spec, on all ranks at the same time.
        wants_stop: whether this rank wants to stop.
        timers: the run's timers.
        preemption: share of the ranks that must wait at a meeting for the others to come at once; None: no share is
            enough. Source: Wijmans et al. 2020, "DD-PPO", section 3.

    Attributes:
        behaviors: the behaviors that the ranks have agreed on, by behavior id, in the same order on all of them.
    """

    def __init__(
        self,
        collective: Collective,
        recorders: Mapping[str, Recorder],
        begin: Callable[[str, BehaviorSpec], object],
        wants_stop: Callable[[], bool],
        timers: TimerTree,
        preemption: float | None = None,
    ) -> None:
        self.collective, self.recorders, self.timers = collective, recorders, timers
        self.behaviors: dict[str, BehaviorSpec] = {}
        self._begin, self._wants_stop, self._preemption = begin, wants_stop, preemption
        self._found: Mapping[str, BehaviorSpec] = {}
        self._stopping = False
        self._reported: list[Reported] = []
        self._left = 1
        self._interval = 0
        self._since = self._asked = time.perf_counter()
        self._number = 0
        self._rates: dict[str, float] = {}
        self._seconds = 0.0

    @property
    def alone(self) -> bool:
        """Whether this process trains alone."""
        return self.collective.size == 1

    @property
    def just_met(self) -> bool:
        """Whether the ranks met in this turn, so that what is known of all may have changed; alone, always true."""
        return self.alone or self._interval == 0

    @property
    def stopping(self) -> bool:
        """Whether any rank wanted to stop at the last meeting; alone, whether this one does."""
        return self._wants_stop() if self.alone else self._stopping

    @property
    def learners(self) -> list[Learner]:
        """The learners of all behaviors seen so far, in the order in which they were made."""
        return [recorder.learner for recorder in self.recorders.values()]

    def turns(self, found: Mapping[str, BehaviorSpec]) -> Iterator[list[tuple[str, BehaviorSpec]]]:
        """Yield the behaviors that take their turn together, with their specs, by behavior id.

        Args:
            found: the behaviors that this rank's environment has. One that the ranks have not agreed on has no turn.
        """
        if self.alone:
            yield from ([pair] for pair in found.items())
            return
        self._found = found
        if not self.behaviors:
            self._meet()
            self._part()
        yield [(name, found[name]) for name in self.behaviors if name in found]

    def learn(self, actors: Sequence[Actor]) -> None:
        """Let learners that are ready learn: those of `actors`, or with several ranks all, if the ranks meet now."""
        self._left -= 1
        self._interval += 1
        if not self.alone:
            if self._left > 0 and not self._is_preempted():
                return
            self._meet()
        learners = self.learners
        if self.alone:  # opponents do not learn
            learners = [actor.mind for actor in actors if isinstance(actor.mind, Learner)]
        for learner in learners:
            if learner.ready and (self.alone or not self._stopping):
                with self.timers("update"):
                    learner.begin_update()
        if not self.alone:
            self._part()

    def end(self) -> None:
        """Meet once more before this rank ends, although the others go on; they end then too."""
        if not self.alone:
            self._meet()

    def report(self, statistics: Reported) -> None:
        """Add an environment's own statistics to every behavior's summary; with several ranks, at the next meeting."""
        if self.alone:
            for learner in self.learners:
                _add_reported(learner, statistics)
        elif statistics:
            self._reported.append(statistics)

    def _is_preempted(self) -> bool:
        """Whether so many ranks wait at the meeting that this one ends its part early."""
        now = time.perf_counter()
        if self._preemption is None or now - self._asked < ASKING_SECONDS:
            return False
        self._asked = now
        return self.collective.arrived(self._number) >= self._preemption * self.collective.size

    def _meet(self) -> None:
        """Meet the other ranks, let the learners add up what happened, and begin behaviors that any rank has found.

        Raises:
            JointError: the ranks have found different behaviors of the same name.
        """
        with self.timers("meeting"):
            if self._preemption is not None:
                self.collective.arrive(self._number)
                self._number += 1
            new = self._exchange(self.learners)
        for name, spec in new.items():
            self._begin(name, spec)

    def _exchange(self, learners: Sequence[Learner]) -> dict[str, BehaviorSpec]:
        """Tell the other ranks what happened, and return the behaviors that are new to all."""
        taken = [learner.news.take() for learner in learners]
        events = {learner.name: told for learner, (_, told) in zip(learners, taken, strict=True) if told}
        unknown = {
            name: describe_spec(spec) for name, spec in self._found.items() if name not in self.behaviors
        }
        speech = {"behaviors": unknown, "events": events, "reported": self._reported}
        self._reported = []
        seconds = time.perf_counter() - self._since
        numbers = [float(self._wants_stop()), seconds, float(self._interval), float(any(speech.values()))]
        for learner, (decisions, _) in zip(learners, taken, strict=True):
            moves = 0 if learner.opponents is None else learner.opponents.untold()
            numbers += [learner.store.settled_rows, decisions, moves]
        table = self.collective.gather(np.array(numbers))
        speeches = self.collective.gather_values(speech) if table[:, 3].any() else []
        self._stopping = self._stopping or bool(table[:, 0].any())
        # A rank that ended its part early made fewer steps. What counts is what the others made.
        longest = max(1.0, float(table[:, 2].max()))
        self._seconds = float(table[:, 1].max()) / longest
        for index, learner in enumerate(learners):
            rows, decisions, moves = table[:, 4 + 3 * index : 7 + 3 * index].T.astype(np.int64)
            self._rates[learner.name] = decisions.sum() / longest
            told = [each["events"].get(learner.name, {}) for each in speeches]
            learner.meet(rows, int(decisions.sum()), int(moves.sum()), told)
            for each in speeches:
                for statistics in each["reported"]:
                    _add_reported(learner, statistics)
        return self._agree([each["behaviors"] for each in speeches])

    def _part(self) -> None:
        """End a meeting, and settle when to meet again: when a learner is probably ready, or a report is due."""
        steps = [
            min(recorder.learner.missing, recorder.due.steps_left) / self._rates[name]
            for name, recorder in self.recorders.items()
            if recorder.learner.training and self._rates.get(name)
        ]
        soon = MOST_SECONDS / max(self._seconds, 1e-9)
        self._left = int(max(1.0, min([*steps, soon]))) if steps else 1
        self._interval = 0
        self._since = time.perf_counter()
        for learner in self.learners:
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


def _add_reported(learner: Learner, statistics: Reported) -> None:
    if not learner.finished:
        learner.metrics.add_reported(statistics)
