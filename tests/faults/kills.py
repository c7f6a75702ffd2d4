"""Trainings killed at random moments, and resumed."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from tests.faults.fault import Fault
from tests.faults.tools import trainings

KILLS = 100
"""Of each learner."""

EVERY_NINTH = 9
"""One kill of so many comes while the training starts; the others after its first checkpoint."""


def faults(whole: bool) -> Iterator[Fault]:
    """Each learner, killed as often as it takes to meet most moments."""
    for learner in trainings.LEARNERS if whole else ("dqn",):
        for number in range(KILLS) if whole else (1,):
            yield Fault(f"{learner}-{number}", partial(killed, learner, number))


def killed(learner: str, number: int, folder: Path) -> None:
    """Kill a training; what is there loads, and it goes on from there."""
    wait = np.random.default_rng([number, *learner.encode()]).uniform(0.0, 0.6)
    training = trainings.Training(folder, learner, *trainings.new(folder, learner, 1_000_000, interval=50))
    if number % EVERY_NINTH:
        training.until(lambda: trainings.newest(folder).is_file())
    time.sleep(wait)
    training.process.kill()
    assert training.end().status != 0
    goes_on(folder, learner)


def goes_on(folder: Path, learner: str) -> None:
    """Resume a run for 100 steps; if it has no checkpoint yet, it is refused, and may begin anew."""
    before = trainings.newest_step(folder)
    if before is None:
        trainings.trained(folder, learner, *trainings.RESUME).refused("--resume")
        trainings.trained(folder, learner, *trainings.new(folder, learner, 100, interval=50)).well()
    else:
        trainings.trained(folder, learner, *trainings.RESUME, "--max-steps", before + 100).well()
    assert trainings.newest_step(folder) == (before or 0) + 100
    trainings.require_whole(folder)
