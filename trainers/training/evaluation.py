"""Evaluation while training: the policies play in environments of their own, and training does not notice.

The keys are `evaluation_freq` and `evaluation_episodes`. `python -m trainers.evaluate` plays a finished run in the same
way.
"""

import inspect
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from mlagents_envs.base_env import BaseEnv

from bridge.process import looks_like_player
from gym_adapters.errors import UserError, close_reported, place_named
from gym_adapters.make import with_whole_episodes
from trainers.algorithms.learner import Learner
from trainers.config import RunSettings
from trainers.experience.playing import Played, play_all
from trainers.optim.collective import Collective
from trainers.records.metrics import EVALUATION_DEVIATION, EVALUATION_LENGTH, EVALUATION_RETURN
from trainers.records.policy_file import LoadedPolicy
from trainers.records.timers import TimerTree
from trainers.training.curriculum import Curriculum
from trainers.training.environments import make_environment
from trainers.training.makers import MakeEnvironment

EVALUATION_SEED = 10_000
"""Environment i of an evaluation is seeded with this plus i, far from the seeds that people train with."""


@dataclass(frozen=True)
class Score:
    """The result of one behavior in an evaluation.

    Attributes:
        mean: mean raw return of its agents, own and group rewards together.
        deviation: standard deviation of the returns.
        length: mean number of decisions in an episode.
        episodes: number of episodes.
    """

    mean: float
    deviation: float
    length: float
    episodes: int

    @property
    def values(self) -> dict[str, float]:
        """One number for each TensorBoard tag."""
        return {
            EVALUATION_RETURN: self.mean,
            EVALUATION_DEVIATION: self.deviation,
            EVALUATION_LENGTH: self.length,
        }


class Evaluations:
    """Plays the policies of a run.

    Each evaluation has new environments with the same seeds, so that all of them begin alike and their scores compare.
    A Unity player takes long to start, so the one of the first evaluation plays all others too. Environments receive
    the parameters of the present lesson.

    Args:
        make: makes an environment from settings; None in a run that is not evaluated. Rank 0 alone calls it.
        settings: those of the run.
        lessons: the run's curricula.
        timers: the run's timers.
        collective: the ranks, of which rank 0 plays.
    """

    def __init__(
        self,
        make: MakeEnvironment | None,
        settings: RunSettings,
        lessons: Curriculum,
        timers: TimerTree,
        collective: Collective,
    ) -> None:
        self._make, self._settings, self._lessons = make, settings, lessons
        self._timers, self._collective = timers, collective
        self._stays = looks_like_player(settings.env_settings.env_path)
        self._env: BaseEnv | None = None
        self._taken: BaseEnv | None = None

    def spare(self, env: BaseEnv) -> None:
        """Refuse to play in this environment from now on, because the run trains in it."""
        self._taken = env

    def play(self, learners: Sequence[Learner], due: Sequence[Learner]) -> dict[str, Score]:
        """Play with the present policies. All ranks call this together, and rank 0 plays.

        Args:
            learners: those of all behaviors, which act together.
            due: those that are evaluated.

        Returns:
            The score of each behavior that is due; empty if rank 0 was stopped.

        Raises:
            UserError: the environment cannot be made, has other behaviors, or sends a number that is not finite.
            Exception: the environment raised it.
        """
        scores: dict[str, Score] = {}
        try:
            if self._collective.rank == 0:
                scores = self._scores(learners, due)
        finally:  # or the other ranks would wait for ever
            told = self._collective.broadcast({name: asdict(score) for name, score in scores.items()})
        return {name: Score(**score) for name, score in told.items()}

    def close(self) -> None:
        """Close the environment, if one is open."""
        env, self._env = self._env, None
        if env is not None:
            close_reported(env.close)

    def _scores(self, learners: Sequence[Learner], due: Sequence[Learner]) -> dict[str, Score]:
        wanted = {learner.name: learner.settings.evaluation_episodes for learner in due}
        # A stop signal ends a run at once while it waits for its environment, and so an evaluation. With several ranks,
        # the evaluation is played to its end, because the others leave only when all meet.
        block = "env" if self._collective.size == 1 else "play"
        named = place_named("evaluation")  # the run has another environment too
        with named, self._timers("evaluation"), self._timers(block), random_numbers_kept():
            env = self._env or self._made(max(wanted.values()))
            try:
                self._lessons.send(env)
                found = _play(env, [acting(learner) for learner in learners], wanted)
            finally:
                if not self._stays:
                    self.close()
        return {name: _score(found[name]) for name in wanted}

    def _made(self, episodes: int) -> BaseEnv:
        assert self._make is not None, "see `require_second_environment`"
        env = self._make(evaluation_settings(self._settings, episodes, self._collective.size))
        if env is self._taken:
            raise UserError("the function made the environment that the run trains in; make another one")
        self._env = env
        return env


def _play(env: BaseEnv, policies: Sequence[LoadedPolicy], wanted: dict[str, int]) -> dict[str, list[Played]]:
    """Play until each behavior has as many episodes as are wanted; environments made for it need one round."""
    found: dict[str, list[Played]] = {policy.name: [] for policy in policies}
    while any(len(found[name]) < count for name, count in wanted.items()):
        for name, episodes in play_all(env, policies).items():
            found[name] += episodes
    return found


def _score(episodes: Sequence[Played]) -> Score:
    returns = np.array([episode.total for episode in episodes])
    length = float(np.mean([episode.length for episode in episodes]))
    return Score(float(returns.mean()), float(returns.std()), length, len(episodes))


def acting(learner: Learner) -> LoadedPolicy:
    """Return a copy of a learner's policy, as its checkpoint would have it, on the learner's device."""
    state = {
        "trainer_type": learner.kind,
        "global_step": learner.step,
        "Policy": learner.policy.state_dict(),
        "behavior": learner.description(),
    }
    return LoadedPolicy(state, Path(learner.name), learner.device)


def evaluation_settings(settings: RunSettings, episodes: int, ranks: int) -> RunSettings:
    """Return the settings from which the environments of evaluations are made.

    They have seeds of their own, and are numbered after those of all ranks, so that a player has a port of its own.
    Games of several lives are played whole. Nothing of the run is resumed in them.
    """
    env = settings.env_settings
    num_envs = 1 if looks_like_player(env.env_path) else episodes
    own = env.numbered_from(ranks * env.num_envs, EVALUATION_SEED).model_copy(
        update={"num_envs": num_envs, "env_options": with_whole_episodes(env.env_options)}
    )
    begun = settings.checkpoint_settings.model_copy(update={"resume": False})
    return settings.model_copy(update={"env_settings": own, "checkpoint_settings": begun})


def evaluates(settings: RunSettings) -> bool:
    """Whether any behavior of a run is evaluated while it trains."""
    learns = not settings.checkpoint_settings.inference
    return learns and any(block.evaluation_freq is not None for block in settings.behavior_blocks.values())


def require_second_environment(make: MakeEnvironment | None, settings: RunSettings) -> None:
    """Require that a run that is evaluated can have environments besides those that it trains in.

    Args:
        make: makes environments; None if there is only the one that `train` was given.
        settings: the run's settings.

    Raises:
        UserError: there is only one environment, such as the Unity Editor.
    """
    if not evaluates(settings):
        return
    if make is None:
        raise UserError(
            "evaluation_freq needs environments besides the one that train() was given; give it a function that makes "
            "one from settings, or evaluation_env"
        )
    if inspect.unwrap(make) is make_environment and settings.env_settings.env_path is None:
        raise UserError(
            "evaluation_freq needs a second environment, and the Unity Editor is only one; use --env with a built "
            "player, or remove the key"
        )


@contextmanager
def random_numbers_kept() -> Iterator[None]:
    """Give the global random numbers of Python, numpy and torch back their state at the end."""
    python, arrays = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)
