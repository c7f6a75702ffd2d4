"""Lessons begin at the same time on all ranks, also on one that makes fewer steps than the others."""

from typing import Any

import numpy as np
import pytest
from learner_tools import behavior_settings, make_learner
from scripted_env import make_spec

from trainers.algorithms.learner import Learner
from trainers.config import load_settings
from trainers.optim.collective import Alone
from trainers.records.timers import TimerTree
from trainers.training.curriculum import Curriculum
from trainers.training.meetings import Meetings
from trainers.training.self_play import SelfPlay
from trainers.training.session import Session


class Echo(Alone):
    """Two ranks of which the other one says what this one does."""

    size = 2

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        return np.stack([numbers, numbers])

    def gather_values(self, value: Any) -> list[Any]:
        return [value, value]


class Silent:
    def announce(self, recorders: object) -> None:
        """Nothing is said."""


class Taught:
    def set_parameters(self, values: object) -> None:
        """Nothing depends on them."""


class Paced(Meetings):
    """Meetings after `pace` steps."""

    pace = 1

    def _part(self) -> None:
        super()._part()
        self._left = self.pace


class Rank(Session):
    """The part of a session that begins lessons, on a rank that steps `pace` times between two meetings."""

    def __init__(self, collective: Alone, pace: int) -> None:
        criteria = {"behavior": "Test", "threshold": 9.99, "signal_smoothing": True, "min_lesson_length": 1}
        lessons = [{"name": "one", "value": 0, "completion_criteria": criteria}, {"name": "two", "value": 1}]
        found = load_settings({"environment_parameters": {"mass": {"curriculum": lessons}}})
        self.pace, self.lessons = pace, Curriculum(found.environment_parameters or {})
        self.learner = make_learner(make_spec((3,), continuous=1), behavior_settings("ppo"))
        self.lessons.watch(self.learner)
        self.meetings = Paced(collective, {}, lambda *_: None, lambda: False, TimerTree())
        self.meetings.pace = pace
        self.self_play, self._chronicle, self.recorders = SelfPlay({}), Silent(), {}  # type: ignore[assignment]

    @property
    def learners(self) -> list[Learner]:
        return [self.learner]

    def meet(self) -> int:
        """Meet, and step until the next meeting; return the lesson then."""
        self.learner.metrics.add_episodes(np.full(3, 10.0), np.zeros(3), np.ones(3))
        for _ in range(self.pace):
            self.meetings.learn([])
            self.advance(Taught())  # type: ignore[arg-type]
        return self.lessons.lessons["mass"]


@pytest.mark.parametrize("pace", [2, 3, 7, 50])
def test_a_rank_that_makes_fewer_steps_begins_a_lesson_with_the_others(pace: int) -> None:
    slow, fast = Rank(Echo(), 1), Rank(Echo(), pace)
    seen = [(slow.meet(), fast.meet()) for _ in range(12)]
    assert [one for one, _ in seen] == [other for _, other in seen]
    assert seen[-1] == (1, 1)
    assert seen[0] == (0, 0)


def test_a_process_alone_judges_lessons_in_every_step() -> None:
    alone = Rank(Alone(), 50)
    assert alone.meet() == 1
