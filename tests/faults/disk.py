"""Files that the system refuses to write, and folders that disappear."""

import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.faults.fault import Fault
from tests.faults.tools import operations, trainings

ERRORS = (errno.ENOSPC, errno.EACCES, errno.EIO)
WORKS, ENDS_WITH_2 = 0, 2
FILES = {  # words of the operations that are refused, and how a run ends that is refused them to the last
    "newest checkpoint": ((".checkpoint.pt",), ENDS_WITH_2),
    "numbered checkpoint": (("CartPole-v1-100.pt", "CartPole-v1-200.pt"), ENDS_WITH_2),
    "replay buffer": (("last_replay_buffer",), ENDS_WITH_2),
    "numbered onnx": (("CartPole-v1-100.onnx", "CartPole-v1-200.onnx"), ENDS_WITH_2),
    "run's onnx": ((".CartPole-v1.onnx",), ENDS_WITH_2),
    "status": (("training_status",), WORKS),
    "progress": (("progress.csv",), WORKS),
    "plots": (("reward.png", "losses.png"), WORKS),
    "timers": (("timers.json",), WORKS),
    "lock": ((" run.lock", " run.json", ".locks"), WORKS),
    "renames": (("os.rename",), ENDS_WITH_2),
    "all but the first": (("written", "os.rename"), ENDS_WITH_2),
}
AT_THE_START = {
    "configuration": ("configuration.yaml",),
    "run folder": ("os.mkdir run",),
    "events": ("events.out",),
    "anything": ("",),
}
SIZES = (300, 3_000, 10_000, 20_000, 30_000)
"""Bytes that a file may have at most; a checkpoint has about 25,000."""

DELETED_AT = (20, 40, 50, 60, 80, 100, 120, 140)
"""Operations before which a run's folder is deleted."""


def faults(whole: bool) -> Iterator[Fault]:
    """Each kind of file, refused for good and once; a full $TMPDIR; limits of size; deleted folders."""
    for error in ERRORS if whole else ERRORS[:1]:
        name = errno.errorcode[error]
        for what in FILES if whole else ("run's onnx",):
            yield Fault(f"{name}-{what}".replace(" ", "-"), partial(refused, error, what))
            yield Fault(f"{name}-{what}-once".replace(" ", "-"), partial(refused_once, error, what))
        for what in AT_THE_START if whole else ():
            yield Fault(f"{name}-{what}-at-the-start".replace(" ", "-"), partial(never_begins, error, what))
        if whole:
            yield Fault(f"{name}-temporary-folder", partial(no_temporary_folder, error))
    if sys.platform != "win32":
        yield from (Fault(f"at-most-{size}-bytes", partial(small_files, size)) for size in SIZES if whole)
    yield from (Fault(f"deleted-at-{number}", partial(deleted, number)) for number in DELETED_AT if whole)
    yield Fault("results-is-a-file", results_is_a_file)


def refused(error: int, what: str, folder: Path) -> None:
    """A file is refused from after the start to the end; the run says so, and goes on from what it could save."""
    words, status = FILES[what]
    refuse = partial(operations.refusing, error, *words, skip=20)
    ended = trainings.trained(folder, "dqn", *trainings.new(folder, "dqn", 200, interval=100), disturb=refuse)
    assert "Traceback" not in ended.errors + ended.output, ended
    assert ended.status == status, ended
    assert len(ended.errors.splitlines()) == (ended.status == ENDS_WITH_2), ended
    _goes_on(folder)


def refused_once(error: int, what: str, folder: Path) -> None:
    """A file is refused once; the run ends well and whole."""
    refuse = partial(operations.refusing, error, *FILES[what][0], skip=20, times=1)
    ended = trainings.trained(folder, "dqn", *trainings.new(folder, "dqn", 200, interval=50), disturb=refuse)
    ended.well()
    trainings.require_whole(folder)
    _goes_on(folder)


def never_begins(error: int, what: str, folder: Path) -> None:
    """What a run needs at its start is refused: one line, and nothing is left."""
    refuse = partial(operations.refusing, error, *AT_THE_START[what])
    trainings.trained(
        folder, "ppo", *trainings.new(folder, "ppo", 200, interval=100), disturb=refuse
    ).refused()
    assert not (folder / "runs" / "run").exists()


def no_temporary_folder(error: int, folder: Path) -> None:
    """A run needs no room in $TMPDIR."""
    refuse = partial(_refuse_temporary, error)
    trainings.trained(folder, "dqn", *trainings.new(folder, "dqn", 200, interval=100), disturb=refuse).well()
    trainings.require_whole(folder)


def small_files(size: int, folder: Path) -> None:
    """The system cuts every file off at a size, in the middle of a write."""
    limit = partial(_limit, size)
    ended = trainings.trained(folder, "ppo", *trainings.new(folder, "ppo", 200, interval=100), disturb=limit)
    assert "Traceback" not in ended.errors, ended
    assert ended.status in (WORKS, ENDS_WITH_2), ended
    _goes_on(folder, "ppo")


def deleted(number: int, folder: Path) -> None:
    """Somebody deletes the run's folder while it is written; what comes next is saved, and can be resumed."""
    delete = partial(operations.deleting_at, number)
    arguments = trainings.new(folder, "ppo", 300, interval=50, keep_checkpoints=1)
    trainings.trained(folder, "ppo", *arguments, disturb=delete).well()
    assert trainings.newest_step(folder) == 300
    trainings.trained(folder, "ppo", *trainings.RESUME, "--max-steps", 400).well()
    trainings.require_whole(folder)


def results_is_a_file(folder: Path) -> None:
    """`--results-dir` names a file."""
    (folder / "runs").write_text("mine", encoding="utf-8")
    trainings.trained(folder, "ppo", *trainings.new(folder, "ppo", 200, interval=100)).refused("runs")
    assert (folder / "runs").read_text(encoding="utf-8") == "mine"


def _goes_on(folder: Path, learner: str = "dqn") -> None:
    """Once there is room, the run is resumed, or begun anew if it saved nothing."""
    step = trainings.newest_step(folder)
    if step is None:
        trainings.trained(
            folder, learner, *trainings.new(folder, learner, 100, interval=50), "--force"
        ).well()
    else:
        trainings.trained(folder, learner, *trainings.RESUME, "--max-steps", step + 50).well()
        assert trainings.newest_step(folder) == step + 50
    trainings.require_whole(folder)


def _refuse_temporary(error: int) -> None:
    place = Path("temporary").absolute()
    place.mkdir()
    os.environ["TMPDIR"] = tempfile.tempdir = str(place)
    operations.refusing(error, "", place=str(place))


def _limit(size: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
