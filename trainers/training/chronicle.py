"""What a run says and writes about its behaviors: on the display, to its files, and to callbacks."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from gym_adapters.errors import UserError
from trainers.training.announcements import behavior_line, unseen_lines, unused_line
from trainers.training.callbacks import Callbacks
from trainers.training.curriculum import Curriculum
from trainers.training.evaluation import Evaluations
from trainers.training.outcome import Outcome
from trainers.training.recorder import Recorder
from trainers.training.run_files import RunFiles
from trainers.training.same_state import require_same_weights
from trainers.training.self_play import SelfPlay

SAVED = "What was learned until then is saved."
"""Note on an exception of a run that was saved."""

Events = list[tuple[str, Recorder]]
"""What callbacks must be told: the names of their methods, and the recorders of the behaviors."""


class Chronicle:
    """Says and writes how the behaviors of a run go, from their beginning to its end.

    Args:
        files: the run's files; their display is the one that shows progress.
        callbacks: are told how the run goes.
        lessons: the run's curricula.
        self_play: the run's self-play.
        evaluations: play the policies while they train.
        stop: ends the run after the present step, if a callback wants that.
    """

    def __init__(
        self,
        files: RunFiles,
        callbacks: Callbacks,
        lessons: Curriculum,
        self_play: SelfPlay,
        evaluations: Evaluations,
        stop: Callable[[], None],
    ) -> None:
        self.files, self.display, self.callbacks = files, files.display, callbacks
        self.lessons, self.self_play = lessons, self_play
        self._stop, self._evaluations = stop, evaluations
        self._announced: set[str] = set()

    def announce(self, recorders: Mapping[str, Recorder]) -> None:
        """Say what the behaviors are that appeared since the last call, and which are missing at the start.

        Args:
            recorders: the recorder of each behavior seen so far, by name.

        Raises:
            UserError: a callback failed.
        """
        if len(self._announced) == len(recorders):
            return
        first = not self._announced
        new: Events = []
        for name, recorder in recorders.items():
            if name not in self._announced:
                self.display.say(behavior_line(recorder.learner))
                new.append(("start", recorder))
        self._announced = set(recorders)
        for line in unseen_lines(self.files.settings, recorders) if first else ():
            self.display.say(line)
        self.tell(new)

    def evaluate_due(self, recorders: Mapping[str, Recorder]) -> None:
        """Evaluate the behaviors for which that is due, and judge whether they have learned enough.

        Raises:
            UserError: an evaluation or a callback failed.
        """
        due = [recorder for recorder in recorders.values() if recorder.due.evaluation]
        if not due:
            return
        learners = [recorder.learner for recorder in recorders.values()]
        for learner in learners:
            learner.wait()  # an update in a thread must not change what plays
        scores = self._evaluations.play(learners, [recorder.learner for recorder in due])
        for recorder in due:
            score = scores.get(recorder.learner.name)
            if score is not None:
                self.files.evaluate(recorder, score)
                self.tell([("evaluation", recorder)])
                self._say_reason(recorder, self._judge(recorder, score.mean))

    def write_due(self, recorder: Recorder) -> None:
        """Write a behavior's episodes, its summary and checkpoint if they are due, and judge whether it learned enough.

        Raises:
            UserError: a callback failed.
        """
        learner = recorder.learner
        self.files.monitor(recorder)
        if recorder.due.summary or recorder.ends:
            found = self._judge(recorder)
            if recorder.ends:
                learner.wait()  # the last summary has the last update
            self.tell(self._summarise(recorder))
            self._say_reason(recorder, found)
        if learner.training and (recorder.due.checkpoint or recorder.ends):
            require_same_weights(learner)
            self.tell(self._checkpoint(recorder))

    def close(self, recorders: Mapping[str, Recorder]) -> dict[str, Outcome]:
        """Write the last summary and checkpoint of each behavior, close every file, and return the outcomes by name.

        Raises:
            UserError: the last checkpoint could not be written, or a callback failed after everything was written.
        """
        outcomes: dict[str, Outcome] = {}
        events: Events = []
        learns = not self.files.settings.checkpoint_settings.inference
        for name, recorder in recorders.items():
            events += self._write_last(recorder)
            outcome = outcomes[name] = recorder.close(self.files.timers.elapsed)
            if outcome.trained and not recorder.has_learned and learns:
                self.display.say(unused_line(recorder.learner, outcome.trained))
        self._close_files(recorders)
        self.display.close()
        try:
            self.tell(events)
        except UserError as error:
            if learns:
                error.add_note(SAVED)
            raise
        finally:
            self.files.require_saved()
        return outcomes

    def abandon(self, recorders: Mapping[str, Recorder], save: bool) -> bool:
        """Save each behavior if `save` is true and it can be saved, and close every file, after a failure.

        Nothing is raised.

        Returns:
            Whether this process saved anything: a behavior has learned something, and its newest checkpoint has all of
            it. A behavior is not saved if it has learned nothing or if a weight is not finite.
        """
        saved = [self._rescue(recorder) for recorder in recorders.values() if save]
        closings: list[Callable[[], object]] = [
            *(recorder.close for recorder in recorders.values()),
            partial(self._close_files, recorders),
            self.display.close,
            *(partial(self.tell, [("end", recorder)]) for recorder in recorders.values()),
        ]
        for close in closings:
            with suppress(Exception):
                close()
        return any(saved)

    def _close_files(self, recorders: Mapping[str, Recorder]) -> None:
        self._evaluations.close()
        self.files.close(list(recorders.values()))

    def _write_last(self, recorder: Recorder) -> Events:
        """Write a behavior's last summary and checkpoint, and return what callbacks must be told of them and its end.

        A learner that has finished was saved when it finished.
        """
        self.files.monitor(recorder)
        events = self._summarise(recorder)
        if recorder.learner.training or recorder.learner.name in self.files.unsaved:
            events += self._checkpoint(recorder)
        return [*events, ("end", recorder)]

    def _rescue(self, recorder: Recorder) -> bool:
        """Save a behavior, if it has learned something and its weights are finite, and return whether all is saved."""
        learner = recorder.learner
        with suppress(Exception):  # the first failure is the one to report
            learner.wait()
        with suppress(Exception):
            self.files.monitor(recorder)
            due = (recorder.has_news and learner.training) or learner.name in self.files.unsaved
            if due and learner.optimizer.is_finite:
                self._summarise(recorder)
                self._checkpoint(recorder)
            kept = recorder.has_rewards and not recorder.has_news
            return self.files.writes and kept and learner.name not in self.files.unsaved
        return False

    def tell(self, events: Events) -> None:
        """Tell callbacks what happened.

        Raises:
            UserError: a callback failed.
        """
        for method, recorder in events:
            self.callbacks.tell(method, recorder.moment(self._stop))

    def _judge(self, recorder: Recorder, evaluated: float | None = None) -> bool:
        """Judge whether a behavior has learned enough, and return whether that is new; see `EarlyStop.judge`."""
        known = recorder.early_stop.reason
        recorder.early_stop.judge(self.lessons.at_last, evaluated)
        return bool(recorder.early_stop.reason) and not known

    def _say_reason(self, recorder: Recorder, is_new: bool) -> None:
        """Say why the training of a behavior ends."""
        if is_new:
            self.display.say(f"{recorder.learner.name}: {recorder.early_stop.reason}; training ends")

    def _summarise(self, recorder: Recorder) -> Events:
        """Write what a behavior did since its last summary, and return what callbacks must be told of it."""
        return [("summary", recorder)] if self.files.summarise(recorder) else []

    def _checkpoint(self, recorder: Recorder) -> Events:
        """Write a behavior's checkpoint, and return what callbacks must be told of it."""
        self.files.checkpoint(recorder, {**self.lessons.status, **self.self_play.status})
        return [] if recorder.learner.name in self.files.unsaved else [("checkpoint", recorder)]
