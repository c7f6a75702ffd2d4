"""When the summaries, evaluations and checkpoints of a behavior are due."""

import math
from collections.abc import Mapping
from typing import Any

from trainers.algorithms.learner import Learner
from trainers.training.resuming import NEXT_EVALUATION


def first_evaluation(learner: Learner, status: Mapping[str, Any]) -> float:
    """Return the agent step of a session's first evaluation; infinite if there is none.

    Args:
        learner: the learner, with the state that it goes on from.
        status: the behavior's part of an earlier `training_status.json`. An evaluation that was due is made up for.
    """
    interval = learner.settings.evaluation_freq
    if interval is None:
        return math.inf
    return min(next_multiple(learner.step, interval), status.get(NEXT_EVALUATION, math.inf))


def next_multiple(step: int, interval: int) -> int:
    """Return the smallest multiple of `interval` that is greater than `step`."""
    return (step // interval + 1) * interval
