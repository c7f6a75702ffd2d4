"""Finished runs to damage, and what a command or a call may do with them: go on, or say in one line what is wrong."""

import contextlib
import io
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from run_tools import Listener, Stopwatch, options
from task_envs import TaskEnv

from trainers import UserError, train

SMALL = {"max_steps": 400, "summary_freq": 200, "checkpoint_interval": 200, "keep_checkpoints": 3}
DQN = {
    **SMALL,
    "trainer_type": "dqn",
    "hyperparameters": {
        "batch_size": 16,
        "buffer_size": 200,
        "buffer_init_steps": 0,
        "steps_per_update": 20,
        "save_replay_buffer": True,
    },
}
KINDS = {"ppo": SMALL, "dqn": DQN}
MORE = 48
"""Agent steps that a resumed run goes on for."""


def environment(kind: str) -> TaskEnv:
    return Stopwatch().env() if kind == "ppo" else Stopwatch().env(continuous=0, branches=(3,))


@cache
def finished(kind: str) -> Path:
    """A results folder with the finished run `first`. Not to be written to."""
    results = Path(tempfile.mkdtemp(prefix="finished-"))
    train(environment(kind), options(results, behavior=KINDS[kind]), display=Listener())
    return results


def copied(kind: str, folder: Path) -> Path:
    """A copy of the finished run, `<folder>/first`."""
    return Path(shutil.copytree(finished(kind) / "first", folder / "first"))


def resume(kind: str, folder: Path, max_steps: int = 400 + MORE, **keys: Any) -> list[str]:
    """Go on with the copied run, and return what was said."""
    display = Listener()
    behavior = {**KINDS[kind], "max_steps": max_steps, **keys}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with np.errstate(all="raise", under="ignore"):
            train(environment(kind), options(folder, behavior=behavior, resume=True), display=display)
    return display.said


def refusal(action: Callable[[], object], *words: str) -> str | None:
    """Return the one line with which an action refuses its input; None if it goes on.

    Raises:
        AssertionError: the message has several lines, or lacks one of the words.
        Exception: what the action raised besides `UserError`.
    """
    try:
        action()
    except UserError as error:
        line = str(error)
        assert line.strip()
        assert "\n" not in line or re.match(r"\d+ mistakes:\n", line), line
        assert len(line) < 1500, line
        missing = [word for word in words if word not in line]
        assert not missing, f"{missing} are not named: {line}"
        return line
    return None


def command(main: Callable[..., int], *arguments: object) -> tuple[int, str]:
    """Run a command in this process; it ends with status 0, or with status 2 and one line that says why.

    Returns:
        The status, and the line; argparse's usage is left out.
    """
    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=kind)
        for kind in ("strict", "backslashreplace")
    )
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
    err.flush()
    said = err.buffer.getvalue().decode()
    lines = [line for line in said.splitlines() if "error: " in line]
    assert "Traceback" not in said, said
    assert (status, len(lines)) in ((0, 0), (2, 1)), (status, said)
    return status, "".join(lines)
