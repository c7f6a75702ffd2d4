"""Ends the training of a behavior before `max_steps`: the keys `stop_at_reward` and `patience`."""

import math
from typing import Any

from trainers.algorithms.learner import Learner
from trainers.records.words import three_digits
from trainers.training.best import BEST_RETURN, best_key

EARLY_STOP = "early_stop"
"""Key of a behavior in `training_status.json`."""


class EarlyStop:
    """Judges a learner after each of its summaries, by `Learner.merit` once there were 100 episodes.

    With `evaluation_freq`, it judges after each evaluation, by the mean return. With several ranks it says the same on
    all of them, because they share the returns, and summarise and evaluate at the same steps. With lessons, the count
    begins anew with each, and `stop_at_reward` holds in the last.

    Args:
        learner: the learner.
        status: what `status` returned in an earlier session; empty for a new run.

    Attributes:
        reason: why training ends, in one line; empty while it goes on.
    """

    def __init__(self, learner: Learner, status: dict[str, Any]) -> None:
        self._learner = learner
        self._goal, self._patience = learner.settings.stop_at_reward, learner.settings.patience
        self._by_evaluation = learner.settings.evaluation_freq is not None
        if status.get("measure", BEST_RETURN) != best_key(learner):
            status = {}  # returns of training and of evaluations and ratings do not compare
        best, waited = status.get("best"), status.get("waited", 0)
        self._best: float = -math.inf if best is None else best
        # A run that had ended for lack of patience is resumed to try once more.
        self._waited: int = 0 if self._patience is None or waited >= self._patience else waited
        self._lesson: dict[str, float] | None = status.get("lesson")
        self.reason = ""

    @property
    def status(self) -> dict[str, Any]:
        """This behavior's entry `EARLY_STOP` in `training_status.json`; empty without the keys."""
        if self._goal is None and self._patience is None:
            return {}
        return {
            EARLY_STOP: {
                "best": self._best if math.isfinite(self._best) else None,
                "waited": self._waited,
                "lesson": self._lesson,
                "measure": best_key(self._learner),
                "reason": self.reason,
            }
        }

    def judge(self, last_lesson: bool, evaluated: float | None = None) -> None:
        """Set `reason` if training must end. Called after each summary and each evaluation.

        Args:
            last_lesson: whether every curriculum of the run is at its last lesson.
            evaluated: the mean return of an evaluation; None after a summary.
        """
        learner = self._learner
        self._notice_lessons()
        if not learner.training or self._by_evaluation != (evaluated is not None):
            return
        if evaluated is None and not learner.metrics.is_full:
            return
        merit = learner.merit if evaluated is None else evaluated
        self._waited = 0 if merit > self._best else self._waited + 1
        self._best = max(self._best, merit)
        what = "the mean return of the last 100 episodes" if learner.opponents is None else "the Elo rating"
        one, several = "summary", "summaries"
        if self._by_evaluation:
            what, one, several = "the mean return of an evaluation", "evaluation", "evaluations"
        if self._goal is not None and last_lesson and merit >= self._goal:
            self.reason = f"{what} is {three_digits(merit)}, so stop_at_reward ({self._goal:g}) is reached"
        elif self._patience is not None and self._waited >= self._patience:
            best, waited = three_digits(self._best), f"{self._waited} {one if self._waited == 1 else several}"
            self.reason = f"{what} has not risen above {best} in {waited} (patience)"

    def _notice_lessons(self) -> None:
        lesson = dict(self._learner.metrics.standing)
        if self._lesson is not None and lesson != self._lesson:
            self._best, self._waited = -math.inf, 0
        self._lesson = lesson
