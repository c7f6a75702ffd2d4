"""The command: what it prints, what it refuses, and training with both trainers."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.needs import PLOTLY, SHELL
from tests.trainers.compare.synthetic import rewards, write_events, write_run
from trainers.compare.cli import main
from trainers.compare.plan import load_variant, removed_keys
from trainers.compare.runs import read_runs
from trainers.config import load_settings
from trainers.records.metrics import GROUP_REWARD, REWARD

REPOSITORY = Path(__file__).parents[3]
TASK = """
behaviors:
  CartPole-v1:
    trainer_type: ppo
    max_steps: {steps}
    summary_freq: 400
    hyperparameters: {{batch_size: 64, buffer_size: 512, clip_value_loss: true}}
    network_settings: {{hidden_units: 16}}
"""

GROUPS = """
default_settings:
  trainer_type: poca
  max_steps: {steps}
  summary_freq: 200
  hyperparameters: {{batch_size: 32, buffer_size: 128}}
  network_settings: {{hidden_units: 16}}
"""

# Plays the part of mlagents-learn: our trainer, without what tells its runs from those of the other one.
STAND_IN = """#!/bin/sh
[ "$1" = --help ] && echo trainer_config_path && exit
export PYTHONPATH={root}
trap : INT
{python} -m trainers "$@"
status=$?
find results -name progress.csv -delete 2>/dev/null
exit $status
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    path = tmp_path / "mlagents-learn"
    path.write_text(
        STAND_IN.format(root=REPOSITORY, python=sys.executable).replace(
            "find results", f"find {tmp_path}/out/results"
        )
    )
    path.chmod(0o755)
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"error: [^\n]+\n", error)
    return error


@PLOTLY
def test_two_runs_become_a_table_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = write_run(tmp_path / "ours", rewards(1, 5))
    theirs = write_run(tmp_path / "theirs", rewards(2, 3), ours=False, hyperparameters={"beta": 0.01})
    assert main([str(ours), str(theirs), "--out", "page"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"final reward\W+5\W+3\W", printed)
    assert re.search(r"hyperparameters.beta\W+0.005\W+0.01\W", printed)
    assert Path("page/report.html").is_file()


def test_bad_input_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_run(tmp_path / "good", rewards(1, 2))
    (tmp_path / "nothing").mkdir()
    assert "is not a run folder" in refused(capsys, good, tmp_path / "nothing")
    other = write_run(tmp_path / "other", rewards(1), behavior="Other")
    assert "different behaviors" in refused(capsys, good, other)
    assert "has no behavior Walker, only Task" in refused(capsys, good, "--behavior", "Walker")
    assert "--names: 1 names for 2 runs" in refused(
        capsys, good, write_run(tmp_path / "better", rewards(1, 2)), "--names", "a"
    )
    empty = tmp_path / "empty"
    write_events(empty / "Task" / "events.out.tfevents.1.machine.1.0", {})
    assert "has no summary" in refused(capsys, empty)


@PLOTLY
def test_a_truncated_file_is_used_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "a", rewards(1, 2, 3))
    file = next((folder / "Task").glob("events*"))
    file.write_bytes(file.read_bytes()[:-5])
    assert main([str(folder), "--out", "page"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "bytes are cut off or damaged" in printed
    assert "bytes are cut off or damaged" in Path("page/report.html").read_text()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("/absent/mlagents-learn", "/absent/mlagents-learn: no such program"),
        ("/bin/true", "is not a working mlagents-learn"),
        (None, "give the program of mlagents-learn"),
    ],
)
def test_a_wrong_mlagents_learn_is_refused_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], program: str | None, said: str
) -> None:
    (tmp_path / "task.yaml").write_text(TASK.format(steps=400))
    given = ["--mlagents-learn", program] if program else []
    assert said in refused(capsys, "--train", "task.yaml", "--env", "CartPole-v1", *given)
    assert not list(Path("comparison").glob("*/runs/*"))


def test_what_cannot_be_asked_for_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "task.yaml").write_text(TASK.format(steps=400))
    task = ("--train", "task.yaml", "--mlagents-learn", "/bin/true", "--env")
    assert "no such player" in refused(capsys, *task, "./Absent.x86_64")
    assert "absent.yaml" in refused(capsys, "--train", "absent.yaml", "--env", "CartPole-v1")
    for wrong in (["--seeds", "a"], ["--agents", "0"], ["--train", "task.yaml"], []):
        with pytest.raises(SystemExit) as stopped:
            main(wrong)
        assert stopped.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["a-run", "--seeds", "1", "--set", "debug=true"],
            "--seeds, --set: for --train and --experiments only",
        ),
        (["--train", "task.yaml", "--env", "E", "--names", "A"], "--names: for run folders only"),
        (["--experiments", "few.yaml", "--names", "A"], "--names: for run folders only"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


def test_keys_that_mlagents_learn_does_not_get_are_named(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text(TASK.format(steps=400))
    settings = load_variant("task", tmp_path / "task.yaml", (), "CartPole-v1").settings
    assert removed_keys(settings) == ["behaviors.CartPole-v1.hyperparameters.clip_value_loss: True"]


def compare(stand_in: Path, steps: int) -> list[str]:
    """The arguments of a comparison."""
    Path("task.yaml").write_text(TASK.format(steps=steps))
    arguments = ["--train", "task.yaml", "--out", "out", "--env", "CartPole-v1", "--agents", "4"]
    return [*arguments, "--seeds", "0", "--mlagents-learn", str(stand_in)]


@SHELL
@PLOTLY
def test_both_trainers_are_trained_and_a_second_call_trains_nothing(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(REPOSITORY / "tests" / "bridge" / "bridge_games", "court_games")
    monkeypatch.syspath_prepend(Path.cwd())
    Path("task.yaml").write_text(GROUPS.format(steps=400))
    arguments = ["--train", "task.yaml", "--out", "out", "--env", "court_games/court_v0", "--agents", "2"]
    arguments += ["--seeds", "0", "--mlagents-learn", str(stand_in), "--behavior", "red"]
    arguments += ["--set", "env_settings.env_options.colours=true"]
    assert main(arguments) == 0
    printed, errors = capfd.readouterr()
    assert errors == ""
    assert "[1/2] bridge-learn, task, seed 0: done" in printed
    assert "[2/2] mlagents-learn, task, seed 0: done" in printed
    assert "mlagents-learn got all keys that differ from their defaults." in printed
    for side in ("bridge-learn", "mlagents-learn"):
        given = load_settings(Path(f"out/files/task-{side}.yaml")).env_settings
        assert given.env_args == ("--option", "colours=true", "--option", "grouped=true")
        assert not given.env_options
    for run in read_runs([Path("out/runs/task-seed0"), Path("out/results/task-seed0")], "red"):
        assert not np.array_equal(run.curves[REWARD].values, run.curves[GROUP_REWARD].values)

    events = sorted(Path("out").glob("*/task-seed0/red/events*"))
    assert len(events) == 2
    assert main(arguments) == 0
    assert "2 of 2 runs are already finished" in capfd.readouterr().out
    assert sorted(Path("out").glob("*/task-seed0/red/events*")) == events
    Path("task.yaml").write_text(GROUPS.format(steps=800))
    assert "has other settings" in refused(capfd, *arguments)


@SHELL
@PLOTLY
def test_an_interrupted_comparison_goes_on_where_it_stopped(stand_in: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "trainers.compare", *compare(stand_in, 1_000_000)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
    reached = 0
    for expected in ("[1/2]", "[1/2]"):
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            step = re.search(r"seed 0: ([\d,]+) of", line)
            if step and int(step[1].replace(",", "")) >= reached + 800:
                assert line.startswith(expected)
                assert int(step[1].replace(",", "")) > reached
                reached = int(step[1].replace(",", ""))
                break
        process.send_signal(signal.SIGINT)
        process.stdout.readline()
        process.send_signal(signal.SIGINT)  # twice is once
        rest, _ = process.communicate(timeout=120)
        assert process.returncode == 130, rest
        assert "continues from here" in rest
    assert len(list(Path("out/runs/task-seed0/CartPole-v1").glob("events*"))) == 2
    assert "trained in 2 sessions" in " ".join(rest.split())
    assert "clip_value_loss: True" in rest
    assert "clip_value_loss" not in Path("out/files/task-mlagents-learn.yaml").read_text()
    assert "clip_value_loss" in Path("out/report.html").read_text()
