"""Signals that ask a training to stop, at every stage of it."""

import importlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from typing import Any

from tests.faults.fault import Fault
from tests.faults.tools import trainings

NUMBERS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
]
STAGES = {  # what is going on, and at which of its calls
    "environment-step": ("gym_adapters.vector_env", "VectorEnvAdapter", "step", 150),
    "environment-close": ("gym_adapters.vector_env", "VectorEnvAdapter", "close", 0),
    "observe": ("trainers.algorithms.actor", "Actor", "observe", 150),
    "act": ("trainers.algorithms.actor", "Actor", "act", 150),
    "update": ("trainers.algorithms.on_policy", "OnPolicyLearner", "update", 2),
    "summary": ("trainers.training.file_recorder", "FileRecorder", "write", 1),
    "checkpoint": ("trainers.records.checkpoint_keeper", "CheckpointKeeper", "save", 1),
    "export": ("trainers.records.checkpoint_keeper", "CheckpointKeeper", "export", 1),
    "plots": ("trainers.training.file_recorder", "FileRecorder", "draw", 1),
    "status": ("trainers.training.file_recorder", "FileRecorder", "status", 1),
    "end": ("trainers.training.session", "Session", "close", 0),
}
NOTHING_YET = {
    "folder": ("trainers.training.api", None, "claimed_folder", 0),
    "make": ("trainers.training.environments", None, "make_env", 0),
    "session": ("trainers.training.session", "Session", "__init__", 0),
}
IMPORTING = """
import trainers
print("ready", flush=True)
raise SystemExit(trainers.run_command("trainers.training.cli", trainer_type="ppo"))
"""


def faults(whole: bool) -> Iterator[Fault]:
    """Each signal, once and twice in quick succession, at each stage, and while Python imports."""
    for number in NUMBERS if whole else NUMBERS[-1:]:
        for times in (1, 2) if whole else (2,):
            for stage in STAGES if whole else ("environment-step",):
                yield Fault(f"{number.name}-{stage}-{times}", partial(saved, stage, number, times))
            for stage in NOTHING_YET if whole else ("make",):
                yield Fault(f"{number.name}-{stage}-{times}", partial(nothing_left, stage, number, times))
        for tenths in range(0, 30, 5) if whole else ():
            yield Fault(f"{number.name}-imports-{tenths}", partial(importing, number, tenths / 10))


def saved(stage: str, number: int, times: int, folder: Path) -> None:
    """The run ends with status 0, saved, and goes on from there."""
    send = partial(_send_during, STAGES[stage], number, times)
    trainings.trained(folder, "ppo", *trainings.new(folder, "ppo", 400, interval=100), disturb=send).well()
    step = trainings.newest_step(folder)
    assert step, "nothing was saved"
    trainings.require_whole(folder)
    trainings.trained(folder, "ppo", *trainings.RESUME, "--max-steps", step + 50).well()
    assert trainings.newest_step(folder) == step + 50


def nothing_left(stage: str, number: int, times: int, folder: Path) -> None:
    """Before training begins, the command ends with status 130 and one line, and leaves no run."""
    send = partial(_send_during, NOTHING_YET[stage], number, times)
    arguments = trainings.new(folder, "ppo", 400, interval=100)
    ended = trainings.trained(folder, "ppo", *arguments, disturb=send)
    assert (ended.status, ended.errors) == (130, "interrupted\n"), ended
    assert not (folder / "runs" / "run").exists()
    assert not (folder / "runs" / ".locks").exists()


def importing(number: int, seconds: float, folder: Path) -> None:
    """A process that has not come to training yet ends without a traceback; one that has is saved."""
    process = subprocess.Popen(
        [sys.executable, "-c", IMPORTING, *trainings.new(folder, "ppo", 1_000_000, interval=1000)],
        cwd=folder,
        env=trainings.surroundings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=trainings.heed_signals if sys.platform != "win32" else None,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(number)
        _, errors = process.communicate(timeout=trainings.PATIENCE)
    assert "Traceback" not in errors, errors
    assert process.returncode in (0, 130, -number), (process.returncode, errors)
    if process.returncode == 0:
        trainings.require_whole(folder)


def _send_during(place: tuple[str, str | None, str, int], number: int, times: int) -> None:
    """Have a function's call of some number begin with signals to this process."""
    module, class_name, name, wanted = place
    owner: Any = importlib.import_module(module)
    if class_name:
        owner = getattr(owner, class_name)
    function: Callable[..., Any] = getattr(owner, name)
    calls = 0

    @wraps(function)
    def disturbed(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls - 1 == wanted:
            for _ in range(times):
                signal.raise_signal(number)
        return function(*arguments, **named)

    setattr(owner, name, disturbed)
