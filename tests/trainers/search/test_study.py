"""Studies: what is counted, begun again and shared. Trainings are formulas here; `test_trial.py` has real ones."""

import csv
import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from command_tools import PATIENCE, surroundings

from tests.needs import LINUX, OPTUNA, POSTGRESQL
from tests.trainers.search.search_tools import train_at_once, write_space
from trainers.config import load_settings
from trainers.search.cli import main

OUT = Path("searches", "space")
RATE, LAYERS = "behaviors.*.hyperparameters.learning_rate", "behaviors.*.network_settings.num_layers"
WORKER = "tests.trainers.search.search_tools"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    study = pytest.importorskip("trainers.search.study", reason="needs the extra search")
    monkeypatch.setattr(study, "train_seeds", train_at_once)


def trials(out: Path = OUT) -> list[dict[str, str]]:
    with (out / "trials.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def states(out: Path = OUT) -> Counter[str]:
    return Counter(row["state"] for row in trials(out))


def space_without_failures(folder: Path, more: str = "") -> Path:
    path = write_space(folder, more)
    path.write_text(path.read_text().replace("[1, 2, 3]", "[1, 2]"))
    return path


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


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


@OPTUNA
def test_the_best_trial_becomes_a_training_file(
    tmp_path: Path, at_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write_space(tmp_path), "--trials", 12) == 0
    rows = trials()
    assert [int(row["trial"]) for row in rows] == list(range(12))
    complete = [row for row in rows if row["state"] == "complete"]
    best = max(complete, key=lambda row: float(row["value"]))
    behavior = load_settings(OUT / "best.yaml").behaviors["CartPole-v1"]
    assert behavior.hyperparameters.learning_rate == float(best[RATE])
    assert behavior.network_settings.num_layers == int(best[LAYERS])
    for row in complete:
        expected = [-abs(float(row[RATE]) - 1e-3) - int(row[LAYERS]) + 0.1 * seed for seed in (0, 1)]
        assert [float(row["seed 0"]), float(row["seed 1"])] == pytest.approx(expected, rel=1e-6)
        assert float(row["value"]) == pytest.approx(sum(expected) / 2, rel=1e-6)
    assert "train with the best settings" in capsys.readouterr().out


@OPTUNA
def test_a_failed_trial_is_not_the_end(tmp_path: Path, at_once: None) -> None:
    assert run(write_space(tmp_path), "--trials", 12) == 0
    failed = [row for row in trials() if row[LAYERS] == "3"]
    assert all(
        (row["state"], row["reason"], row["value"]) == ("failed", "seed 0: three layers", "")
        for row in failed
    )
    assert states()["complete"] + len(failed) == 12


@OPTUNA
def test_if_all_trials_fail_the_last_reason_is_told(
    tmp_path: Path, at_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_space(tmp_path)
    path.write_text(path.read_text().replace("[1, 2, 3]", "[3]"))
    assert run(path, "--trials", 2) == 2
    error = capsys.readouterr().err
    assert error == "error: no trial is complete; the last one that failed says: seed 0: three layers\n"
    assert not (OUT / "best.yaml").exists()


@OPTUNA
def test_the_same_command_goes_on_and_more_trials_may_follow(tmp_path: Path, at_once: None) -> None:
    path = write_space(tmp_path, "sampler: random")
    for count in (3, 3, 5):
        assert run(path, "--trials", count) == 0
        assert len(trials()) == count


@OPTUNA
@pytest.mark.parametrize("name", ["all trials, ü #1 100%41 a@b:c", "what?", "{1}"])
def test_a_folder_of_any_name_has_its_database_in_it(name: str, tmp_path: Path, at_once: None) -> None:
    if os.name == "nt" and not set("?:").isdisjoint(name):
        pytest.skip("Windows has no such names")
    space, place = space_without_failures(tmp_path), tmp_path / "searches"
    for _ in range(2):
        assert run(space, "--trials", 2, "--out", place / name) == 0
    assert states(place / name) == {"complete": 2}
    assert (place / name / "study.db").is_file()
    assert [path.name for path in place.iterdir()] == [name]


@OPTUNA
def test_another_search_under_the_same_name_is_refused(
    tmp_path: Path, at_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_space(tmp_path)
    assert run(path, "--trials", 1, "--set", "behaviors.*.time_horizon=32") in (0, 2)
    capsys.readouterr()
    assert run(path, "--trials", 2) == 2
    said = capsys.readouterr().err
    key = "settings.behaviors.CartPole-v1.time_horizon"
    assert f"--study space: was begun with another search: {key} is 32 there, 64 now" in said
    assert run(path, "--trials", 2, "--study", "other", "--storage", f"sqlite:///{OUT / 'study.db'}") in (
        0,
        2,
    )
    assert len(trials(Path("searches", "other"))) == 2


@OPTUNA
def test_a_trial_below_the_median_ends_early(tmp_path: Path, at_once: None) -> None:
    path = space_without_failures(tmp_path, "pruner: {after: 2, first_trials: 4}\nsampler: random")
    assert run(path, "--trials", 20) == 0
    complete: list[float] = []
    for row in trials():
        if row["state"] == "complete":
            complete.append(float(row["value"]))
        else:
            assert row["state"] == "ended early"
            assert len(complete) >= 4
            assert float(row["value"]) < sorted(complete)[len(complete) // 2]
    assert states()["ended early"] > 0


@OPTUNA
@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("study.db", "Could not parse SQLAlchemy URL"),
        ("sqlite:////no/such/folder/study.db", "unable to open database file"),
        ("postgresql://me:secret@127.0.0.1:9/none", "onnection"),
        ("nothing://x", "Can't load plugin"),
    ],
)
def test_a_storage_that_cannot_be_used_is_refused(
    tmp_path: Path, storage: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write_space(tmp_path), "--storage", storage) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --storage ")
    assert said in error
    assert "secret" not in error
    assert error.count("\n") == 1


def test_without_optuna_the_command_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(write_space(tmp_path)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: a search needs optuna, which is not installed; run: ")
    assert said.endswith("-m pip install optuna\n")


@OPTUNA
def test_under_torchrun_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert run(write_space(tmp_path)) == 2
    assert "runs without torchrun" in capsys.readouterr().err


@OPTUNA
def test_an_unknown_environment_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(write_space(tmp_path), "--env", "CartPool-v1") == 2
    assert "CartPool" in capsys.readouterr().err
    assert not OUT.exists()


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
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        place = Path(name)
        if options:
            shutil.chown(place, "postgres")
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        data, log = place / "data", place / "log"
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
