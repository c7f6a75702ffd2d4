"""What a run says of its best policy is about the present lesson, also before the first summary in it."""

from run_tools import Stopwatch, options
from task_envs import TaskEnv

from trainers import Callback, Moment, train
from trainers.records.run_status import STATUS, read_status


class Lessons(TaskEnv):
    """A task that takes parameters."""

    def set_parameters(self, values: dict) -> None:
        """Nothing depends on them."""


def taught() -> TaskEnv:
    env = Stopwatch().env()
    env.__class__ = Lessons
    return env


class Reader(Callback):
    """Reads the best evaluation from the status at each checkpoint."""

    def __init__(self) -> None:
        self.read: list[tuple[int, float | None]] = []

    def checkpoint(self, moment: Moment) -> None:
        entry = read_status(moment.folder.parent / STATUS)["Task"]
        self.read.append((moment.step, entry["best_evaluation"]))


def test_a_checkpoint_does_not_take_the_best_of_the_lesson_before_for_its_own(tmp_path):
    """The second lesson begins after 650 steps; evaluations are due at 300, 600 and 900, summaries at 500 and 1000."""
    keys = {"evaluation_freq": 300, "evaluation_episodes": 2, "checkpoint_interval": 350, "max_steps": 1100}
    content = options(tmp_path, behavior=keys)
    complete = {"behavior": "Task", "measure": "progress", "threshold": 650 / 1100}
    lessons = [{"name": "one", "value": 1.0, "completion_criteria": complete}, {"name": "two", "value": 2.0}]
    content["environment_parameters"] = {"wind": {"curriculum": lessons}}
    reader = Reader()
    train(taught(), content, callbacks=[reader], evaluation_env=taught)
    known = [(step // 350, best is not None) for step, best in reader.read]
    assert known == [(1, True), (2, False), (3, True), (3, True)]
