"""One run: its behaviors, and when each begins, is recorded and ends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mlagents_envs.base_env import BaseEnv, BehaviorSpec

from gym_adapters.errors import environment_called
from gym_adapters.space_description import described_spaces
from gym_adapters.teams import parts_of
from trainers.algorithms.actor import Actor
from trainers.algorithms.learner import Learner
from trainers.config import RunSettings
from trainers.experience.checks import checked_specs, require_learnable, require_same
from trainers.optim.collective import Collective
from trainers.optim.device import find_device
from trainers.optim.threads import Threads
from trainers.records.progress import Display
from trainers.records.timers import TimerTree
from trainers.records.wandb_report import open_wandb
from trainers.training.announcements import run_lines
from trainers.training.callbacks import Callbacks
from trainers.training.chronicle import Chronicle
from trainers.training.curriculum import Curriculum
from trainers.training.evaluation import Evaluations
from trainers.training.first_reward import FirstReward
from trainers.training.followers import FollowerFiles
from trainers.training.learners import Learners, check_demonstrations, check_threads
from trainers.training.makers import MakeEnvironment
from trainers.training.meetings import Meetings
from trainers.training.outcome import Outcome
from trainers.training.recorder import Recorder
from trainers.training.resuming import check_start
from trainers.training.run_files import RunFiles
from trainers.training.same_state import share_state
from trainers.training.self_play import TURN, SelfPlay


class Session:
    """The state of a run, as the training loop sees it.

    Args:
        settings: the resolved training file; `checkpoint_settings.run_id` is set.
        display: shows progress.
        threads: the run's threads.
        collective: the ranks that train together.
        callbacks: are told how the run goes.
        evaluation_env: makes the environments of evaluations while training; None: there are none.

    Attributes:
        stop_requested: set it to leave the loop after the present step.
        timers: the time that each part of the run took.
        recorders: the recorder of each behavior seen so far, by name.

    Raises:
        UserError: the torch device or Weights & Biases is not available, the run's folder cannot be written, or there
            is no checkpoint of this trainer to start from.
    """

    def __init__(
        self,
        settings: RunSettings,
        display: Display,
        threads: Threads,
        collective: Collective,
        callbacks: Callbacks,
        evaluation_env: MakeEnvironment | None,
    ) -> None:
        checkpoints = settings.checkpoint_settings
        self.collective = collective
        leads = collective.rank == 0
        if settings.torch_settings.device not in (None, "auto"):
            find_device(str(settings.torch_settings.device))
        if leads:
            check_start(settings)
        check_demonstrations(settings)
        check_threads(settings, self.collective)
        if settings.wandb is not None and leads:
            open_wandb()  # before anything is written
        self.settings, self.display = settings, display
        self.timers = TimerTree()
        self.stop_requested = False
        self.recorders: dict[str, Recorder] = {}
        self.meetings = Meetings(
            self.collective,
            self.recorders,
            self.actor,
            lambda: self.stop_requested,
            self.timers,
            settings.rank_settings.preemption,
        )
        self._spaces: dict[str, list[dict[str, Any]]] = {}
        self._first_reward = FirstReward()
        self.files = (RunFiles if leads else FollowerFiles)(settings, display, self.timers)
        self.files.status = self.collective.broadcast(self.files.status)
        self.lessons = Curriculum(settings.environment_parameters or {}, self.files.status)
        self.self_play = SelfPlay(self.files.status.get(TURN, {}))
        self._evaluations = Evaluations(evaluation_env, settings, self.lessons, self.timers, self.collective)
        self._chronicle = Chronicle(
            self.files, callbacks, self.lessons, self.self_play, self._evaluations, self._request_stop
        )
        self._learners = Learners(settings, threads, display, self.collective)
        if not checkpoints.resume:  # a resumed run writes it after its checkpoint was loaded
            self.files.begin()

    @property
    def learners(self) -> list[Learner]:
        """See `Meetings.learners`."""
        return self.meetings.learners

    @property
    def finished(self) -> bool:
        """Whether a stop was requested, or every behavior seen has learned enough. Inference never does."""
        done = bool(self.learners) and all(learner.finished for learner in self.learners)
        return self.meetings.stopping or done

    def actor(self, behavior_id: str, spec: BehaviorSpec) -> Actor:
        """Return the actor of a behavior id.

        All teams of a behavior share one learner, which is made when the first of them appears. With self-play, the
        actors of teams whose turn it is not play past policies.

        Args:
            behavior_id: `Name` or `Name?team=0`.
            spec: observations and actions of the behavior.

        Raises:
            UserError: the behavior is not in the training file, has no observations or actions or changes them, or its
                checkpoint does not fit.
        """
        name = parts_of(behavior_id)[0]
        if name not in self.recorders:
            require_learnable(behavior_id, spec)
            self.recorders[name] = self._begin(name, spec)
        learner = self.recorders[name].learner
        require_same(behavior_id, spec, learner.spec)
        actor = learner.actor(behavior_id)
        self.self_play.join(behavior_id, learner, actor)
        return actor

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Measure the time of a call to the environment, and mark its exceptions as its own.

        Raises:
            RuntimeError: the environment called `sys.exit`, which would end the run as if it had succeeded.
        """
        with self.timers("env"), environment_called():
            yield

    def turns(self, env: BaseEnv) -> Iterator[list[tuple[str, BehaviorSpec]]]:
        """Yield the behaviors that take their turn together, with their specs, by behavior id.

        Each behavior has a turn of its own. With several ranks, all have the same turn, because the ranks meet once in
        it; a behavior that only some ranks have found waits for the next meeting.

        Raises:
            UserError: the environment's behaviors are no mapping of names to `BehaviorSpec`s.
        """
        with self.environment():
            found = checked_specs(env.behavior_specs)
        return self.meetings.turns(found)

    def learn(self, actors: Sequence[Actor]) -> None:
        """Let learners that are ready learn. Called between observing and acting.

        Args:
            actors: the actors whose turn it is. With several ranks every learner that is ready learns, on all ranks.
        """
        self.meetings.learn(actors)

    def report(self) -> None:
        """Write and show what is due. Called every environment step.

        Raises:
            UserError: no decision has been rewarded since the start (see `FirstReward`), or an evaluation or a callback
                failed.
        """
        self._first_reward.listen(self.recorders.values())
        self._chronicle.evaluate_due(self.recorders)
        for recorder in self.recorders.values():
            learner = recorder.learner
            self.display.tick(learner.name, learner.step, learner.settings.max_steps, self.timers)
            self._chronicle.write_due(recorder)

    def end_training(self) -> None:
        """Finish learners that have reached `max_steps` or learned enough. Called after `report`."""
        for recorder in self.recorders.values():
            if recorder.ends:
                recorder.learner.finish()

    def begin(self, env: BaseEnv) -> None:
        """Say what the run is, and send all parameters to the environment. Called before its first reset.

        Gymnasium spaces of the environment, if it has any, are kept for the checkpoints (see `LoadedPolicy.predict`).

        Raises:
            UserError: the environment takes no parameters.
        """
        self._spaces = described_spaces(env)
        self._evaluations.spare(env)
        for line in run_lines(self.settings, env):
            self.display.say(line)
        if not self.meetings.alone:
            self.display.say(f"  ranks    {self.collective.size}, which learn as one")
        self.lessons.send(env)

    def advance(self, env: BaseEnv) -> bool:
        """Announce new behaviors, and begin what is due of lessons, whose parameters are sent, and of self-play.

        Called every environment step. Lessons are judged when the ranks have met: each judgement smooths the returns
        further, and a rank that ended its part early makes fewer steps than the others.

        Returns:
            Whether the environment must be reset. All learners have then dropped their agents.

        Raises:
            UserError: a callback failed.
        """
        self._chronicle.announce(self.recorders)
        new_lesson = self.meetings.just_met and self.lessons.begin_due(env, self.learners)
        must_reset = self.self_play.advance() or new_lesson
        for learner in self.learners if must_reset else ():
            learner.forget_agents()
        return must_reset

    def take_statistics(self, env: BaseEnv) -> None:
        """Add the environment's own statistics (Unity's `StatsRecorder`), if any, to every behavior's summary."""
        take = getattr(env, "take_stats", None)
        if take is not None:
            with self.environment():
                reported = {
                    name: [(float(value), method.name) for value, method in reports]
                    for name, reports in take().items()
                }
            self.meetings.report(reported)

    def complete_updates(self) -> None:
        """Wait for the updates that run in a thread. Called after the loop.

        Raises:
            Exception: an update raised it.
        """
        for learner in self.learners:
            learner.wait()

    def close(self) -> dict[str, Outcome]:
        """Write the last summary and checkpoint, close every file, and return the outcome of each behavior.

        Raises:
            UserError: the last checkpoint could not be written, or a callback failed after everything was written.
        """
        if not self.finished:  # the environment has ended, or was left, on this rank
            self.stop_requested = True
            self.meetings.end()
        return self._chronicle.close(self.recorders)

    def abandon(self, save: bool) -> bool:
        """Save the run if `save` is true and it can be saved, and close every file, after a failure. Nothing is raised.

        Returns:
            Whether this process saved anything: a behavior has learned something, and its newest checkpoint has all of
            it. A behavior is not saved if it has learned nothing or if a weight is not finite.
        """
        return self._chronicle.abandon(self.recorders, save)

    def _request_stop(self) -> None:
        self.stop_requested = True

    def _begin(self, name: str, spec: BehaviorSpec) -> Recorder:
        with self.timers("start-up"):
            learner = self._learners.make(name, spec, self.files.status.get(name, {}))
            self.lessons.watch(learner)
            if self.collective.rank:
                share_state(learner)  # before the recorder looks at the step
            recorder = self.files.record(learner, self._spaces.get(name))
            if not self.collective.rank:
                share_state(learner)  # after the recorder has read the checkpoint
        checkpoints = self.settings.checkpoint_settings
        if checkpoints.resume and not checkpoints.watches:
            self.files.begin()
        return recorder
