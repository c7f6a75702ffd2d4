"""Lessons in a run: who is measured, and what the environment is sent."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from mlagents_envs.base_env import BaseEnv

from trainers.algorithms.learner import Learner
from trainers.config import EnvironmentParameter
from trainers.training.curriculum import Curriculum, Measured, lessons_in, send, smoothed_in


class Lessons:
    """The curricula of a run.

    Args:
        parameters: the training file's `environment_parameters`.
        status: an earlier `training_status.json`, which says where an interrupted run had come.
    """

    def __init__(self, parameters: Mapping[str, EnvironmentParameter], status: Mapping[str, Any]) -> None:
        self._curriculum = Curriculum(parameters, lessons_in(status), smoothed_in(status))

    @property
    def status(self) -> dict[str, dict[str, float]]:
        """The entry of each parameter in `training_status.json`: its lesson, and how far that has come."""
        known = self._curriculum
        return {
            name: {"lesson_num": number, "smoothed_reward": known.smoothed[name]}
            for name, number in known.lessons.items()
        }

    def watch(self, learner: Learner) -> None:
        """Measure a learner, whose summaries show the present lessons."""
        learner.metrics.lesson_returns = deque(maxlen=self._curriculum.window(learner.name))
        learner.metrics.standing = self._curriculum.tags

    def send(self, env: BaseEnv) -> None:
        """Send all parameters.

        Raises:
            UserError: the environment takes none.
        """
        send(env, self._curriculum.values)

    def advance(self, env: BaseEnv, learners: Sequence[Learner]) -> bool:
        """Begin the lessons that are due, and send their parameters.

        Returns:
            Whether the environment must now be reset for it; its agents are forgotten.
        """
        change = self._curriculum.advance(
            {
                learner.name: Measured(
                    learner.step / learner.settings.max_steps, learner.metrics.lesson_returns
                )
                for learner in learners
            }
        )
        if not change.values:
            return False
        send(env, change.values)
        for learner in learners:
            learner.metrics.lesson_returns.clear()
            learner.metrics.standing |= self._curriculum.tags
            if change.reset:
                learner.forget_agents()
        return change.reset
