"""Several commands on one run, or on one folder of results, at the same time."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from gym_adapters.errors import UserError
from tests.faults.fault import Fault
from tests.faults.tools import trainings
from trainers.records.run_lock import locked

NEVER = 1_000_000
READERS = {
    "evaluate": ("trainers.evaluate", "runs/run", "--episodes", "1", "--json"),
    "compare": ("trainers.compare", "runs/run", "--out", "page.html"),
    "export": ("bridge.onnx_export", "runs/run"),
}
TURNS, TIMES = 300, 5


def faults(whole: bool) -> Iterator[Fault]:
    """A second command beside a training; several that start at the same moment; readers; the lock itself."""
    for name, arguments in {"new": (), "resume": ("--resume",), "force": ("--force",)}.items():
        if whole or name == "force":
            yield Fault(f"second-{name}", partial(second_is_refused, arguments))
    for number in range(TIMES) if whole else ():
        yield Fault(f"four-of-one-name-{number}", four_of_one_name)
        yield Fault(f"four-resumes-{number}", four_resumes)
        yield Fault(f"four-names-{number}", four_names)

    for number in range(TIMES) if whole else (0,):
        yield Fault(f"one-writer-{number}", one_writer)
    for name in READERS if whole else ():
        yield Fault(f"{name}-while-training", partial(read_while_training, name))


def second_is_refused(arguments: tuple[str, ...], folder: Path) -> None:
    """The second command names the first one's process; the first one goes on as if nothing had been."""
    first = trainings.Training(folder, "ppo", *trainings.new(folder, "ppo", NEVER, interval=50))
    first.until(trainings.newest(folder).is_file)
    other = folder / "second"
    other.mkdir()
    words = trainings.new(other, "ppo", NEVER, interval=50)
    results = ("--results-dir", folder / "runs")
    trainings.trained(other, "ppo", *words, *results, *arguments).refused(f"process {first.process.pid} on")
    first.signal(signal.SIGINT)
    first.end().well()
    trainings.require_whole(folder)


def four_of_one_name(folder: Path) -> None:
    """Four trainings of one name start together: one of them trains, and the others say why they do not."""
    _one_of_four(folder, trainings.new(folder, "ppo", 200, interval=50))
    assert trainings.newest_step(folder) == 200


def four_resumes(folder: Path) -> None:
    """Four resumes of one run start together: one of them goes on."""
    trainings.trained(folder, "ppo", *trainings.new(folder, "ppo", 100, interval=50)).well()
    _one_of_four(folder, [*trainings.RESUME, "--max-steps", "300"])
    assert trainings.newest_step(folder) == 300


def four_names(folder: Path) -> None:
    """Four trainings with names of their own in one folder of results do not meet."""
    started = []
    for number in range(4):
        place = folder / str(number)
        place.mkdir()
        arguments = trainings.new(place, "ppo", 200, interval=50)
        more = ("--run-id", f"run-{number}", "--results-dir", folder / "runs")
        started.append(trainings.Training(place, "ppo", *arguments, *more))
    for training in started:
        training.end().well()
    assert sorted(path.name for path in (folder / "runs").iterdir()) == [
        f"run-{number}" for number in range(4)
    ]


def one_writer(folder: Path) -> None:
    """Processes that take and leave a run's lock again and again never hold it together."""
    writers = [trainings.server().Process(target=_write_in_turn, args=(folder / "run",)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]


def read_while_training(name: str, folder: Path) -> None:
    """Another command reads the run while it is written; neither disturbs the other."""
    training = trainings.Training(folder, "ppo", *trainings.new(folder, "ppo", NEVER, interval=20))
    training.until((trainings.newest(folder).parents[1] / "run_logs" / "training_status.json").is_file)
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-m", *READERS[name]],
            cwd=folder,
            env=trainings.surroundings(),
            capture_output=True,
            text=True,
            timeout=trainings.PATIENCE,
        )
        assert done.returncode == 0, done.stderr
    training.signal(signal.SIGINT)
    training.end().well()
    trainings.require_whole(folder)


def _one_of_four(folder: Path, arguments: list[str]) -> None:
    """Start four commands of one run, each in a folder of its own."""
    started = []
    for number in range(4):
        place = folder / str(number)
        place.mkdir()
        (place / "file.yaml").write_bytes((folder / "file.yaml").read_bytes())
        started.append(trainings.Training(place, "ppo", *arguments, "--results-dir", folder / "runs"))
    ended = [training.end() for training in started]
    done = [one for one in ended if one.status == 0]
    for one in ended:
        if one.status:  # it came while another one trained, or after it
            one.refused("run")
    assert done, ended
    trainings.require_whole(folder)


def _write_in_turn(run: Path) -> None:
    """Take the lock, and make a file that must not be there."""
    mine = run.with_name("mine")
    turns = 0
    while turns < TURNS:
        try:
            with locked(run):
                mine.touch(exist_ok=False)
                mine.unlink()
                turns += 1
        except UserError:
            continue
