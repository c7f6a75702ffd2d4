"""Curricula: the present lesson of each environment parameter, and when the next one begins."""

import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mlagents_envs.base_env import BaseEnv

from gym_adapters.errors import UserError, environment_called
from trainers.algorithms.learner import Learner
from trainers.config.environment_parameters import CompletionCriteria, EnvironmentParameter, Sampler

LESSON_NUMBER = "Environment/Lesson Number/"
"""TensorBoard tag of a parameter's lesson; the parameter's name follows it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Performance:
    """The progress of a behavior, by which lessons are judged.

    Attributes:
        progress: steps / max_steps.
        rating: Elo rating; NaN without self-play.
        returns: raw returns of the newest episodes since a lesson of any parameter began, at most `Curriculum.window`.
    """

    progress: float
    rating: float = math.nan
    returns: Sequence[float] = ()


@dataclass(frozen=True)
class Change:
    """The lessons that begin.

    Attributes:
        values: the new values of their parameters, by parameter.
        reset: whether the environment must be reset.
    """

    values: dict[str, Sampler] = field(default_factory=dict)
    reset: bool = False


class Curriculum:
    """The lessons of all parameters. Each parameter advances by its own criteria, as in ML-Agents.

    Args:
        parameters: the training file's `environment_parameters`.
        status: content of an earlier `training_status.json`, which has the lessons that the run had reached. A number
            after the last lesson means the last.

    Attributes:
        lessons: number of the present lesson, by parameter.
        smoothed: the smoothed mean return by which a lesson is judged, by parameter.
    """

    def __init__(
        self,
        parameters: Mapping[str, EnvironmentParameter],
        status: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        known = {name: (status or {}).get(name, {}) for name in parameters}
        self._curricula = {name: parameter.curriculum for name, parameter in parameters.items()}
        self.lessons = {
            name: min(known[name].get("lesson_num", 0), len(own) - 1) for name, own in self._curricula.items()
        }
        self.smoothed = {name: float(known[name].get("smoothed_reward", 0.0)) for name in parameters}

    @property
    def status(self) -> dict[str, dict[str, float]]:
        """The entry of each parameter in `training_status.json`: its present lesson and its smoothed mean return."""
        return {
            name: {"lesson_num": number, "smoothed_reward": self.smoothed[name]}
            for name, number in self.lessons.items()
        }

    @property
    def values(self) -> dict[str, Sampler]:
        """The present value of each parameter."""
        return {name: self._curricula[name][number].value for name, number in self.lessons.items()}

    @property
    def tags(self) -> dict[str, float]:
        """The present lessons by TensorBoard tag."""
        return {f"{LESSON_NUMBER}{name}": float(number) for name, number in self.lessons.items()}

    @property
    def at_last(self) -> bool:
        """Whether every parameter is at its last lesson."""
        return all(number + 1 == len(self._curricula[name]) for name, number in self.lessons.items())

    def window(self, behavior: str) -> int:
        """Return how many of a behavior's newest episodes are measured: its longest `min_lesson_length`, at least 1."""
        criteria = [lesson.completion_criteria for own in self._curricula.values() for lesson in own]
        lengths = [
            each.min_lesson_length for each in criteria if each is not None and each.behavior == behavior
        ]
        return max([1, *lengths])

    def watch(self, learner: Learner) -> None:
        """Measure a learner, and add the present lessons to its summaries."""
        learner.metrics.lesson_returns = deque(maxlen=self.window(learner.name))
        learner.metrics.standing = self.tags

    def send(self, env: BaseEnv) -> None:
        """Send all parameters to the environment.

        Raises:
            UserError: the environment takes no parameters.
        """
        _send(env, self.values)

    def begin_due(self, env: BaseEnv, learners: Sequence[Learner]) -> bool:
        """Begin the lessons that are due, and send their parameters to the environment.

        Returns:
            Whether the environment must be reset.
        """
        change = self.advance(
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
        _send(env, change.values)
        for learner in learners:
            if _has_had_its_steps(learner):  # what it has reached stays that of its own last lessons
                learner.metrics.lesson_returns.clear()
            else:
                learner.metrics.begin_lesson()
                learner.metrics.standing |= self.tags
        return change.reset

    def advance(self, measured: Mapping[str, Performance]) -> Change:
        """Begin the next lesson of each parameter whose present lesson is complete.

        Args:
            measured: every behavior seen so far. After a change, the caller must clear all their `returns`.
        """
        values, reset = {}, False
        for name, number in self.lessons.items():
            curriculum = self._curricula[name]
            criteria = curriculum[number].completion_criteria
            if criteria is None or number + 1 == len(curriculum) or criteria.behavior not in measured:
                continue
            complete, self.smoothed[name] = judge(criteria, measured[criteria.behavior], self.smoothed[name])
            if complete:
                following = curriculum[number + 1]
                self.lessons[name] = number + 1
                values[name] = following.value
                reset = reset or criteria.require_reset
                logger.info("Parameter %s: lesson %s begins.", name, following.name)
        return Change(values, reset)


def judge(criteria: CompletionCriteria, measured: Performance, smoothed: float) -> tuple[bool, float]:
    """Return whether a lesson is complete, and the smoothed mean return.

    With `signal_smoothing`, the smoothed value is 0.25 times the one before, which is 0 at first, plus 0.75 times the
    mean return.

    Args:
        criteria: the lesson's `completion_criteria`.
        measured: the behavior that the criteria name.
        smoothed: the smoothed mean return so far.
    """
    if len(measured.returns) < criteria.min_lesson_length:
        return False, smoothed
    if criteria.measure == "progress":
        return measured.progress > criteria.threshold, smoothed
    if criteria.measure == "Elo":
        mean = measured.rating
    else:
        mean = float(np.mean(measured.returns)) if measured.returns else math.nan
    if math.isnan(mean):
        return False, smoothed
    if criteria.signal_smoothing:
        mean = smoothed = 0.25 * smoothed + 0.75 * mean
    return mean > criteria.threshold, smoothed


def _has_had_its_steps(learner: Learner) -> bool:
    """Whether a learner has finished, or finishes in this step of the environment."""
    return learner.finished or (learner.training and learner.step >= learner.settings.max_steps)


def _send(env: BaseEnv, values: Mapping[str, Sampler]) -> None:
    """Send new values of parameters to an environment, which uses them from the next episodes on.

    An environment takes parameters if it has a method `set_parameters(values)`.

    Raises:
        UserError: the environment has no such method.
    """
    if not values:
        return
    set_parameters = getattr(env, "set_parameters", None)
    if set_parameters is None:
        raise UserError(
            f"environment_parameters: {type(env).__name__} takes none (it has no method set_parameters); "
            "remove the block"
        )
    with environment_called():
        set_parameters(values)
