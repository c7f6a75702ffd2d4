"""Signals to a real process: which end it saved, which at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_tools import PATIENCE, surroundings, wait_for, write_file

from tests.bridge.processes import free_port
from trainers import load_policy
from trainers.training.stopping import StopSignals

FOR_EVER = 1e9
SUMMARIES = Path("runs", "run", "CartPole-v1", "progress.csv")
TRAINING = """
import sys
from trainers.training import session, stopping
from trainers.training.cli import main

stopping.REPEAT_SECONDS = {repeat}
close = session.Session.close

def slow_close(self):
    print("closing", flush=True)
    sys.stdin.readline()
    return close(self)

session.Session.close = slow_close
raise SystemExit(main(["task.yaml", "--run-id", "run", *{arguments}], "ppo"))
"""


@contextmanager
def training(folder: Path, repeat: float, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A run whose last save waits for a line; signals within so many seconds are one request."""
    write_file(folder / "task.yaml", max_steps=10**8, checkpoint_interval=10**8)
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING.format(repeat=repeat, arguments=list(arguments))],
        cwd=folder,
        env=surroundings(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    assert any(words in line for line in iter(process.stdout.readline, ""))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_in_quick_succession_are_one_request(number: signal.Signals, tmp_path: Path) -> None:
    with training(tmp_path, FOR_EVER, "--env", "CartPole-v1") as process:
        wait_for(tmp_path / SUMMARIES, process)
        process.send_signal(number)  # as `timeout` does: to the process, then to its group
        os.killpg(process.pid, number)
        wait_for_line(process, "closing")
        os.killpg(process.pid, number)
        output, errors = process.communicate("go on\n", timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    step = load_policy(tmp_path / "runs" / "run").step
    assert step > 200
    assert f"{step:,} steps" in output


def test_a_later_signal_ends_it_at_once(tmp_path: Path) -> None:
    with training(tmp_path, 0.0, "--env", "CartPole-v1") as process:
        wait_for(tmp_path / SUMMARIES, process)
        process.send_signal(signal.SIGINT)
        wait_for_line(process, "closing")
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)  # although what the save waits for never comes
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted"
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_there_is_a_run_nothing_is_left(number: signal.Signals, tmp_path: Path) -> None:
    with training(tmp_path, FOR_EVER, "--base-port", str(free_port())) as process:
        wait_for_line(process, "Press Play")
        process.send_signal(number)
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted"
    assert "Traceback" not in errors
    assert not (tmp_path / "runs" / "run").exists()


def test_ctrl_break_of_windows_is_a_stop_signal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    before = signal.getsignal(signal.SIGUSR1)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        with StopSignals().handled(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) is before
