"""Small trainings in processes of their own, to be killed and disturbed, and what must hold of a run afterwards.

A server process imports everything once. Where the system has `fork`, each training is a copy of it, which saves the
seconds that Python and torch take to start.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import yaml

from gym_adapters.files import DRAFT, write_atomically
from trainers.records import plots
from trainers.records.checkpoint import load_state
from trainers.training.cli import main

ROOT = Path(__file__).parents[3]
PATIENCE = 120.0
"""Seconds after which a training that does not end has fallen."""

BEHAVIOR, ENV = "CartPole-v1", "CartPole-v1"
LEARNERS = ("ppo", "a2c", "dqn", "pqn", "sac", "poca")
_CONSTANT = {"learning_rate_schedule": "constant", "beta_schedule": "constant"}
_SMALL = {  # no schedule depends on max_steps, so that a run may end early and go on
    "ppo": {"batch_size": 32, "buffer_size": 64, "epsilon_schedule": "constant", **_CONSTANT},
    "poca": {"batch_size": 32, "buffer_size": 64, "epsilon_schedule": "constant", **_CONSTANT},
    "a2c": {"buffer_size": 16, "batch_size": 16, **_CONSTANT},
    "dqn": {
        "batch_size": 16,
        "buffer_size": 300,
        "steps_per_update": 8,
        "save_replay_buffer": True,
        "exploration_steps": 200,
    },
    "pqn": {
        "batch_size": 32,
        "buffer_size": 64,
        "learning_rate_schedule": "constant",
        "exploration_steps": 200,
    },
    "sac": {"batch_size": 16, "buffer_size": 300, "steps_per_update": 8, "save_replay_buffer": True},
}


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status, negative for a signal, and what it wrote."""

    status: int
    output: str
    errors: str

    def well(self) -> None:
        """Require status 0 and no traceback."""
        assert self.status == 0, f"status {self.status}: {self.errors[-2000:]}"
        assert "Traceback" not in self.errors, self.errors[-2000:]

    def refused(self, *words: str) -> None:
        """Require status 2 and one line that holds these words."""
        lines = [line for line in self.errors.splitlines() if not line.startswith("[INFO]")]
        assert self.status == 2, f"status {self.status}: {self.errors[-2000:]}"
        assert len(lines) == 1, lines
        assert lines[0].startswith("error: "), lines
        assert all(word in lines[0] for word in words), lines


class Training:
    """A training command in a folder of its own, from its start to its end.

    Args:
        folder: its current folder; the run is `runs/run`.
        learner: one of `LEARNERS`.
        arguments: more of the command line.
        disturb: called in the process before the command.
    """

    def __init__(
        self, folder: Path, learner: str, *arguments: object, disturb: Callable[[], object] | None = None
    ) -> None:
        self.folder = folder
        words = [str(argument) for argument in arguments]
        self.process: BaseProcess = server().Process(target=_train, args=(folder, learner, words, disturb))
        self.process.start()

    def until(self, reached: Callable[[], object]) -> None:
        """Wait for something to be true."""
        deadline = time.monotonic() + PATIENCE
        while not reached():
            assert self.process.is_alive(), self.end()
            assert time.monotonic() < deadline, "it takes too long"
            time.sleep(0.002)

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def end(self, patience: float = PATIENCE) -> Ended:
        """Wait for the end; a process that hangs is killed, and has fallen."""
        self.process.join(patience)
        hangs = self.process.is_alive()
        if hangs:
            self.process.kill()
            self.process.join()
        ended = Ended(
            self.process.exitcode or 0, *(_text(self.folder / name) for name in ("output", "errors"))
        )
        assert not hangs, f"it does not end: {ended}"
        return ended


def trained(
    folder: Path, learner: str, *arguments: object, disturb: Callable[[], object] | None = None
) -> Ended:
    """Start a training and wait for its end."""
    return Training(folder, learner, *arguments, disturb=disturb).end()


def new(folder: Path, learner: str, steps: int, interval: int, **behavior: Any) -> list[str]:
    """Write a training file, and return the arguments of a run that begins with it."""
    settings = {
        "trainer_type": learner,
        "hyperparameters": _SMALL[learner],
        "network_settings": {"hidden_units": 8, "num_layers": 1, "normalize": True},
        "max_steps": steps,
        "summary_freq": 100,
        "checkpoint_interval": interval,
        "keep_checkpoints": 2,
        **behavior,
    }
    (folder / "file.yaml").write_text(yaml.safe_dump({"default_settings": settings}), encoding="utf-8")
    return ["file.yaml", "--env", ENV, "--run-id", "run", "--seed", "1", "--num-envs", "1"]


def surroundings() -> dict[str, str]:
    """The environment variables of a command that is started afresh."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


RESUME = ("--run-id", "run", "--resume")


def newest(folder: Path) -> Path:
    """The checkpoint that `--resume` goes on from."""
    return folder / "runs" / "run" / BEHAVIOR / "checkpoint.pt"


def newest_step(folder: Path) -> int | None:
    """The step of that checkpoint; None without one."""
    return load_state(newest(folder))["global_step"] if newest(folder).is_file() else None


def require_whole(folder: Path) -> None:
    """Require that a run's folder agrees with itself: the listed files are there, load, and are all."""
    run = folder / "runs" / "run"
    assert not list(run.rglob(f"*{DRAFT}"))
    status = json.loads((run / "run_logs" / "training_status.json").read_text(encoding="utf-8"))[BEHAVIOR]
    listed = {
        name
        for entry in status["checkpoints"]
        for name in (entry["file_path"], *entry["auxillary_file_paths"])
    }
    numbered = {path.relative_to(run).as_posix() for path in run.glob(f"{BEHAVIOR}/{BEHAVIOR}-*")}
    assert numbered == listed, "files and list differ"
    for path in (*run.glob("*/*.pt"), run / BEHAVIOR / "checkpoint.pt"):
        load_state(path)
    assert status["final_checkpoint"]["steps"] == newest_step(folder)
    steps = [int(line.partition(",")[0]) for line in _text(run / BEHAVIOR / "progress.csv").splitlines()[1:]]
    assert steps == sorted(set(steps)), steps


def spread(numbers: Iterable[int], count: int) -> list[int]:
    """About so many of the numbers, evenly spread."""
    known = list(numbers)
    return known[:: max(1, len(known) // count)]


def _train(folder: Path, learner: str, words: list[str], disturb: Callable[[], object] | None) -> None:
    """What the process does."""
    os.chdir(folder)
    for number, name in ((1, "output"), (2, "errors")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, encoding="utf-8") for number in (1, 2))  # noqa: PTH123, SIM115
    heed_signals()
    torch.set_num_threads(1)
    plots.draw_plots = _write_plots  # to draw them takes longer than all the rest
    if disturb is not None:
        disturb()
    raise SystemExit(main(words, learner))


def heed_signals() -> None:
    """Heed the signals that this process was started to ignore, as it is in the background."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)


def _write_plots(rows: object, folder: Path, title: str) -> None:
    """Write the files of `draw_plots` without drawing them."""
    del rows, title
    for name in ("reward.png", "losses.png"):
        write_atomically(folder / name, lambda stream: stream.write(b"a plot"))


@cache
def server() -> Any:
    """The context of `multiprocessing` whose processes start quickly where that is possible."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), before)))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    forkserver.set_forkserver_preload(["tests.faults.tools.warm", "tests.faults.tools.trainings"])
    forkserver.ensure_running()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
    return multiprocessing.get_context("forkserver")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
