"""Curricula in a run: measures learners and sends parameters to the environment."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from mlagents_envs.base_env import BaseEnv

from trainers.algorithms.learner import Learner
from trainers.config import EnvironmentParameter
from trainers.training.curriculum import Curriculum, Performance, send


class Lessons:
    """The curricula of a run.

    Args:
        parameters: the training file's `environment_parameters`.
        status: content of an earlier `training_status.json`; empty for a new run.
    """

    def __init__(self, parameters: Mapping[str, EnvironmentParameter], status: Mapping[str, Any]) -> None:
        self._curriculum = Curriculum(parameters, status)

    @property
    def status(self) -> dict[str, dict[str, float]]:
        """See `Curriculum.status`."""
        return self._curriculum.status

    @property
    def at_last(self) -> bool:
        """Whether every parameter is at its last lesson."""
        return self._curriculum.at_last

    def watch(self, learner: Learner) -> None:
        """Measure a learner, and add the present lessons to its summaries."""
        learner.metrics.lesson_returns = deque(maxlen=self._curriculum.window(learner.name))
        learner.metrics.standing = self._curriculum.tags

    def send(self, env: BaseEnv) -> None:
        """Send all parameters to the environment.

        Raises:
            UserError: the environment takes no parameters.
        """
        send(env, self._curriculum.values)

    def advance(self, env: BaseEnv, learners: Sequence[Learner]) -> bool:
        """Begin the lessons that are due, and send their parameters to the environment.

        Returns:
            Whether the environment must be reset.
        """
        change = self._curriculum.advance(
            {
                learner.name: Performance(
                    learner.step / learner.settings.max_steps,
                    math.nan if learner.opponents is None else learner.opponents.latest.rating,
                    learner.metrics.lesson_returns,
                )
                for learner in learners
            }
        )
        if not change.values:
            return False
        send(env, change.values)
        for learner in learners:
            learner.metrics.begin_lesson()
            learner.metrics.standing |= self._curriculum.tags
        return change.reset
