"""Processes that the terminal's Ctrl-C does not reach, and what they start."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest
from processes import PATIENCE

from bridge.child_processes import apart, interrupt, kill
from bridge.ports import Process

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session={apart})
print(child.pid, flush=True)
time.sleep({seconds})
"""
WAITING = """
import time
try:
    print(flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print("saved")
"""


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that the test has started."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def start(started: list[subprocess.Popen[str]], code: str) -> subprocess.Popen[str]:
    started.append(
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **apart())
    )
    return started[-1]


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def as_on_windows(patch: pytest.MonkeyPatch) -> None:
    """Takes the branches of Windows. Ctrl-Break is SIGTERM here."""
    patch.setattr(sys, "platform", "win32")
    patch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200, raising=False)
    patch.setattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM, raising=False)


def assert_ends(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    try:
        child = Process(psutil.Process(pid), "child")
    except psutil.NoSuchProcess:
        return
    while child.is_alive:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("windows", [False, True])
def test_a_child_of_the_child_is_killed_even_in_a_session_of_its_own(
    windows: bool, started: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(started, PARENT.format(apart=True, seconds=600))
    grandchild = int(first_line(process))
    with monkeypatch.context() as patch:
        if windows:
            as_on_windows(patch)
        kill(process)
    assert process.wait(PATIENCE) == -signal.SIGKILL
    assert_ends(grandchild)


def test_what_a_process_left_in_its_group_is_killed(started: list[subprocess.Popen[str]]) -> None:
    process = start(started, PARENT.format(apart=False, seconds=0))
    grandchild = int(first_line(process))
    assert process.wait(PATIENCE) == 0
    assert psutil.pid_exists(grandchild)
    kill(process)
    assert_ends(grandchild)
    kill(process)


def test_an_interrupt_reaches_it_and_ctrl_c_does_not(started: list[subprocess.Popen[str]]) -> None:
    process = start(started, WAITING)
    first_line(process)
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    interrupt(process)
    assert process.communicate(timeout=PATIENCE)[0] == "saved\n"
    assert process.returncode == 0


def test_windows_has_groups_and_ctrl_break(
    started: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(started, WAITING)
    first_line(process)
    with monkeypatch.context() as patch:
        as_on_windows(patch)
        assert apart() == {"creationflags": 0x200}
        interrupt(process)
    assert process.wait(PATIENCE) == -signal.SIGTERM
