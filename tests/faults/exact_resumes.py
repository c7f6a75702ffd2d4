"""Interrupted trainings that are resumed as if they had ended by themselves."""

import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from learner_tools import assert_same

from tests.faults.fault import Fault
from tests.faults.tools import trainings
from trainers.records.checkpoint import load_state

TIMES = 5
"""For each learner."""

NEVER = 1_000_000
MORE = 150


def faults(whole: bool) -> Iterator[Fault]:
    """Each learner, interrupted at different moments."""
    for learner in trainings.LEARNERS:
        for number in range(TIMES) if whole else (2,) * (learner == "dqn"):
            yield Fault(f"{learner}-{number}", partial(interrupted, learner, number))


def interrupted(learner: str, number: int, folder: Path) -> None:
    """Ctrl-C at a step, and `max_steps` at the same step: both runs are the same, then and after a resume."""
    one, other = folder / "interrupted", folder / "ended"
    one.mkdir()
    other.mkdir()
    training = trainings.Training(one, learner, *trainings.new(one, learner, NEVER, interval=NEVER))
    training.until((one / "runs" / "run" / trainings.BEHAVIOR / "progress.csv").is_file)
    time.sleep(0.05 * number)
    training.signal(signal.SIGINT)
    training.end().well()
    step = trainings.newest_step(one)
    assert step is not None
    trainings.trained(other, learner, *trainings.new(other, learner, step, interval=NEVER)).well()
    _require_same(one, other)
    for place in (one, other):
        trainings.trained(place, learner, *trainings.RESUME, "--max-steps", step + MORE).well()
    assert trainings.newest_step(one) == step + MORE
    _require_same(one, other)


def _require_same(one: Path, other: Path) -> None:
    assert_same(*(load_state(trainings.newest(folder)) for folder in (one, other)))
