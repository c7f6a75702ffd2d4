"""Trainings killed at every operation on their files, over two checkpoints."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
from learner_tools import assert_same

from tests.faults.fault import Fault
from tests.faults.kills import goes_on
from tests.faults.tools import operations, trainings
from trainers.algorithms.replay_learner import REPLAY_FILE
from trainers.records.checkpoint import load_state

LEARNERS = ("ppo", "dqn")
INTERVAL, END = 100, 300


def faults(whole: bool) -> Iterator[Fault]:
    """PPO, and DQN with its replay buffer, stopped before each operation."""
    for learner in LEARNERS if whole else ("dqn",):
        for number, operation in enumerate(_operations(learner)) if whole else [(60, "operation")]:
            name = f"{learner}-{number}-{operation}".replace(" ", "-")
            yield Fault(name, partial(stopped, learner, number))


def stopped(learner: str, number: int, folder: Path) -> None:
    """Stop a run before an operation. What it had saved then is what it goes on from, bit for bit."""
    stop = partial(operations.stopping_at, number)
    ended = trainings.trained(folder, learner, *_new(folder, learner, 2 * INTERVAL), disturb=stop)
    assert ended.status in (0, operations.STATUS), ended
    step = trainings.newest_step(folder)
    if step is None:
        goes_on(folder, learner)
        return
    place = trainings.newest(folder).parent
    saved = _replay_step(place) if learner == "dqn" else step
    whole = _undisturbed(learner, step, saved)
    assert_same(load_state(trainings.newest(folder)), load_state(whole / f"{step}.pt"))
    trainings.trained(folder, learner, *trainings.RESUME, "--max-steps", END).well()
    trainings.require_whole(folder)
    assert_same(load_state(trainings.newest(folder)), load_state(whole / f"{END}.pt"))


def _new(folder: Path, learner: str, steps: int) -> list[str]:
    return trainings.new(folder, learner, steps, INTERVAL, keep_checkpoints=1)


@cache
def _operations(learner: str) -> list[str]:
    """What a run does to its files until its second checkpoint, and to its end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        list_them = partial(operations.listing, folder / "operations")
        trainings.trained(folder, learner, *_new(folder, learner, 2 * INTERVAL), disturb=list_them).well()
        return (folder / "operations").read_text(encoding="utf-8").splitlines()


@cache
def _undisturbed(learner: str, step: int, saved: int) -> Path:
    """A folder with two checkpoints: of a run that ended at a step, and of its continuation to the end.

    Args:
        learner: the learner.
        step: where it ended.
        saved: the step of the replay buffer that the continuation has; 0 for none.
    """
    folder = Path(tempfile.mkdtemp(prefix="undisturbed-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    trainings.trained(folder, learner, *_new(folder, learner, step)).well()
    shutil.copy(trainings.newest(folder), folder / f"{step}.pt")
    if learner == "dqn":
        replay = trainings.newest(folder).parent / REPLAY_FILE
        shutil.copy(replay, folder / REPLAY_FILE)
        if saved == 0:
            replay.unlink()
        elif saved != step:
            shutil.copy(_undisturbed(learner, saved, saved) / REPLAY_FILE, replay)
    trainings.trained(folder, learner, *trainings.RESUME, "--max-steps", END).well()
    shutil.copy(trainings.newest(folder), folder / f"{END}.pt")
    return folder


def _replay_step(place: Path) -> int:
    """The step at which a run of one agent saved its replay buffer; 0 if it did not."""
    if not (place / REPLAY_FILE).is_file():
        return 0
    with np.load(place / REPLAY_FILE) as arrays:
        return int(arrays["settled"].sum()) // INTERVAL * INTERVAL
