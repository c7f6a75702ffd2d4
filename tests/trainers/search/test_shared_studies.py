"""Studies whose processes die, sleep, are interrupted, or share the work; on SQLite and on PostgreSQL."""

import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from command_tools import PATIENCE, surroundings

from tests.bridge.processes import free_port
from tests.needs import LINUX, OPTUNA, POSTGRESQL
from tests.trainers.search.search_tools import (
    LAYERS,
    RATE,
    run,
    space_without_failures,
    states,
    trials,
    write_space,
)

WORKER = "tests.trainers.search.search_tools"


def start(
    *arguments: object, pause: int = 0, beat: int = 1, grace: int = 2, together: int = 1
) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", WORKER, beat, grace, pause, together, *arguments]
    return subprocess.Popen(
        list(map(str, line)), env=surroundings(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        output, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, output


def wait_until_begun(process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not Path(f"begun-{process.pid}").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def begun_again_after_a_kill(path: Path, storage: str) -> None:
    """A process is killed in its first trial, and another one goes on."""
    arguments = [path, "--trials", 4, "--storage", storage]
    killed = start(*arguments, pause=600)
    wait_until_begun(killed)
    killed.kill()
    killed.communicate()
    status, output = ended(start(*arguments))
    assert status == 0, output
    first, *others = trials()
    assert len(others) == 4
    assert (first["state"], first["reason"]) == ("begun again", "its process died")
    (again,) = [row for row in others if row[RATE] == first[RATE]]
    assert (again["state"], again[LAYERS]) == ("complete", first[LAYERS])


@OPTUNA
def test_a_trial_whose_process_was_killed_is_begun_again(tmp_path: Path) -> None:
    begun_again_after_a_kill(space_without_failures(tmp_path), f"sqlite:///{tmp_path / 'shared.db'}")


@OPTUNA
def test_so_is_one_whose_process_died_before_its_first_sign_of_life(
    tmp_path: Path, at_once: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database = importlib.import_module("trainers.search.storage")
    monkeypatch.setattr(database, "BEAT_SECONDS", 1)
    monkeypatch.setattr(database, "GRACE_SECONDS", 2)
    path, storage = space_without_failures(tmp_path), f"sqlite:///{tmp_path / 'shared.db'}"
    assert run(path, "--trials", 1, "--storage", storage) == 0
    optuna = importlib.import_module("optuna")
    optuna.load_study(study_name="space", storage=storage).ask()  # a trial that gives no sign of life
    assert run(path, "--trials", 2, "--storage", storage) == 0
    assert capsys.readouterr().out.count("waiting for the trials of other processes") == 1
    assert states() == {"complete": 2, "begun again": 1}


@OPTUNA
def test_ctrl_c_writes_the_results_and_the_trial_is_begun_again(tmp_path: Path, at_once: None) -> None:
    path = space_without_failures(tmp_path)
    assert run(path, "--trials", 3) == 0
    process = start(path, "--trials", 5, pause=600, beat=100, grace=1000)
    wait_until_begun(process)
    process.send_signal(signal.SIGINT)
    status, output = ended(process)
    assert status == 130, output
    assert "the same command goes on from here" in output
    assert len(trials()) == 5
    assert states()["begun again"] == states()["waiting"] == 1
    assert trials()[-1]["seconds"] == ""
    assert run(path, "--trials", 5) == 0
    assert len(trials()) == 6
    assert states()["begun again"] == 1
    assert states()["complete"] == 5


@OPTUNA
@LINUX
def test_a_process_that_slept_leaves_its_trial_to_the_one_that_began_it_again(tmp_path: Path) -> None:
    path = space_without_failures(tmp_path)
    sleeper = start(path, "--trials", 2, pause=1)
    wait_until_begun(sleeper)
    sleeper.send_signal(signal.SIGSTOP)
    status, output = ended(start(path, "--trials", 2))
    sleeper.send_signal(signal.SIGCONT)
    assert status == 0, output
    status, output = ended(sleeper)
    assert status == 0, output
    assert "trial 0: this process gave no sign of life for too long, so the trial was begun again" in output
    assert states() == {"complete": 2, "begun again": 1}


def shared_by_two(path: Path, storage: str) -> None:
    """Two processes of one study, each with a folder of its own."""
    arguments = [path, "--trials", 8, "--storage", storage]
    both = [start(*arguments, "--out", name, beat=10, grace=60, together=2) for name in ("a", "b")]
    for status, output in map(ended, both):
        assert status == 0, output
    assert trials(Path("a")) == trials(Path("b"))
    assert Path("a", "best.yaml").read_text() == Path("b", "best.yaml").read_text()
    assert len(trials(Path("a"))) == 8
    assert all(Path(f"begun-{process.pid}").exists() for process in both)


@OPTUNA
def test_two_processes_share_a_study_in_a_file(tmp_path: Path) -> None:
    shared_by_two(write_space(tmp_path), f"sqlite:///{tmp_path / 'shared.db'}")


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of a database of its own. Its server does not run as root."""
    options = {"user": "postgres"} if hasattr(os, "geteuid") and os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        if options:
            shutil.chown(place, "postgres")
        port, data, log = free_port(), place / "data", place / "log"
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": place, **options}
        subprocess.run(["initdb", "-D", data, "-A", "trust", "-U", "me", "--no-sync"], **quiet)
        given = f"-p {port} -k {place} -c listen_addresses=127.0.0.1 -c fsync=off"
        subprocess.run(["pg_ctl", "-D", data, "-l", log, "-w", "-o", given, "start"], **quiet)
        try:
            yield f"postgresql://me@127.0.0.1:{port}/postgres"
        finally:
            with suppress(subprocess.CalledProcessError):
                subprocess.run(["pg_ctl", "-D", data, "-m", "immediate", "stop"], **quiet)


@POSTGRESQL
def test_two_processes_share_a_study_in_postgresql(tmp_path: Path, postgresql: str) -> None:
    shared_by_two(write_space(tmp_path), postgresql)


@POSTGRESQL
def test_a_trial_in_postgresql_whose_process_was_killed_is_begun_again(
    tmp_path: Path, postgresql: str
) -> None:
    begun_again_after_a_kill(space_without_failures(tmp_path), postgresql)
