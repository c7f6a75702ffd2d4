"""What the best policy of a behavior is chosen by, and how good the one of a resumed run is."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gym_adapters.errors import UserError
from trainers.algorithms.learner import Learner
from trainers.records.checkpoint import damage_named, load_state
from trainers.records.checkpoint_content import require_alike

BEST_RETURN = "best_return"
"""Key of the mean return of the best policy, in `best.pt` and `training_status.json`."""

BEST_EVALUATION = "best_evaluation"
"""The same for a behavior with `evaluation_freq`: the mean return of its best evaluation."""

BEST_ELO = "best_elo"
"""The same for a behavior with self-play: its highest Elo rating."""

BEST_LESSON = "best_lesson"
"""Key of the lessons in which the best policy was the best, in `best.pt`."""


def best_key(learner: Learner) -> str:
    """Return the key of what a learner's best policy is chosen by. Values under different keys do not compare."""
    if learner.settings.evaluation_freq is not None:
        return BEST_EVALUATION
    return BEST_RETURN if learner.opponents is None else BEST_ELO


def best_return_of(path: Path, status: Mapping[str, Any], key: str, lesson: Mapping[str, float]) -> float:
    """Return the mean return that a resumed run has to exceed, or -inf if there is no best policy of its lesson yet.

    `best.pt` takes precedence, because `training_status.json` is written only with a checkpoint and may be older.

    Args:
        path: the run's `best.pt`.
        status: the behavior's part of `training_status.json`, for an older `best.pt` that does not hold the return.
        key: `best_key`, by which the policy was chosen. Another does not count.
        lesson: the present lessons by tag.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return -math.inf
    try:
        state = load_state(path)
        with damage_named(path):
            best = state.get(key, status.get(key))
            if best is None or state.get(BEST_LESSON, lesson) != lesson:
                return -math.inf
            require_alike(best, 0.0, key)
            return float(best)
    except UserError as error:
        raise UserError(f"{error}, or delete it to continue without a best policy") from error
