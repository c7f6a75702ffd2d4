"""When the summaries, evaluations and checkpoints of a behavior are due."""

import math
from collections.abc import Mapping
from typing import Any

from trainers.algorithms.learner import Learner

NEXT_EVALUATION = "next_evaluation"
"""Key of the agent step of a behavior's next evaluation in `training_status.json`."""


class Due:
    """Says whether a learner's summary, evaluation or checkpoint is due, by its agent step.

    Args:
        learner: the learner, with the state that it goes on from.
        status: the behavior's part of an earlier `training_status.json`. An evaluation that was due is made up for.

    Attributes:
        next_evaluation: agent step at which the next evaluation is due; infinite if there is none.
    """

    def __init__(self, learner: Learner, status: Mapping[str, Any]) -> None:
        self._learner, self._settings = learner, learner.settings
        self.next_evaluation = math.inf
        self.summarised()
        self.saved()
        self.evaluated()
        if learner.settings.evaluation_freq is not None:
            self.next_evaluation = min(self.next_evaluation, status.get(NEXT_EVALUATION, math.inf))

    @property
    def summary(self) -> bool:
        """Whether `summary_freq` agent steps have passed since the last summary."""
        return self._learner.step >= self._next_summary

    @property
    def checkpoint(self) -> bool:
        """Whether `checkpoint_interval` agent steps have passed since the last checkpoint."""
        return self._learner.step >= self._next_checkpoint

    @property
    def evaluation(self) -> bool:
        """Whether `evaluation_freq` agent steps have passed since the last evaluation of a learner that learns."""
        return self._learner.training and self._learner.step >= self.next_evaluation

    @property
    def steps_left(self) -> int:
        """Agent steps until the next summary, evaluation or checkpoint, or the end."""
        due = self._next_summary, self.next_evaluation, self._next_checkpoint, self._settings.max_steps
        return int(min(due)) - self._learner.step

    def summarised(self) -> None:
        """Note that there was a summary."""
        self._next_summary = _next_multiple(self._learner.step, self._settings.summary_freq)

    def saved(self) -> None:
        """Note that there was a checkpoint."""
        self._next_checkpoint = _next_multiple(self._learner.step, self._settings.checkpoint_interval)

    def evaluated(self) -> None:
        """Note that there was an evaluation."""
        interval = self._settings.evaluation_freq
        self.next_evaluation = (
            math.inf if interval is None else float(_next_multiple(self._learner.step, interval))
        )


def _next_multiple(step: int, interval: int) -> int:
    """Return the smallest multiple of `interval` that is greater than `step`."""
    return (step // interval + 1) * interval
