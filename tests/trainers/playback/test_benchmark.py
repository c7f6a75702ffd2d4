"""`python -m trainers.benchmark`: which task, which seeds, and what is written."""

import csv
import io
import os
import signal
import subprocess
import sys
from contextlib import redirect_stdout, suppress

import pytest
from command_tools import PATIENCE, command, surroundings, wait_for

from trainers import load_policy
from trainers.config import dump_settings, load_settings
from trainers.playback import benchmark
from trainers.playback.benchmark import Task, main, parse_task, tuned_tasks
from trainers.playback.results_table import read_scores
from trainers.training.cli import main as train_main
from trainers.training.default_files import tuned_files

TEN_MILLION = next(path for path in tuned_files("ppo") if path.stem == "Walker2d-v5-10M")


@pytest.fixture
def here(monkeypatch):
    """Trains in this process; `test_ctrl_c_saves_the_run` has one of its own, as users do."""

    def run(line: list[str]) -> int:
        assert line[:3] == [sys.executable, "-m", "trainers"]
        with redirect_stdout(io.StringIO()):
            return train_main(line[3:])

    monkeypatch.setattr(benchmark, "_run", run)


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Walker2d-v5", Task("Walker2d-v5", "ppo")),
        ("ALE/Assault-v5", Task("ALE/Assault-v5", "ppo")),
        ("Walker2d-v5-10M", Task("Walker2d-v5", "ppo", TEN_MILLION)),
        ("a2c/Pendulum-v1", Task("Pendulum-v1", "a2c")),
        ("dqn/ALE/Assault-v5", Task("ALE/Assault-v5", "dqn")),
    ],
)
def test_tasks(text, task):
    assert parse_task(text) == task


def test_every_tuned_file_is_a_task():
    tasks = tuned_tasks()
    assert Task("Walker2d-v5", "ppo") in tasks
    assert Task("ALE/Assault-v5", "dqn") in tasks
    assert Task("Walker2d-v5", "ppo", TEN_MILLION) in tasks
    assert all(task.env_id != "None" for task in tasks)
    assert len({task.title for task in tasks}) == len(tasks)


def test_games_are_no_tasks(capfd):
    """They have no score without an opponent, and are refused before they train."""
    assert not any(task.name == "tictactoe_v3" for task in tuned_tasks())
    for text in ("tictactoe_v3", "poca/mpe2/simple_spread_v3"):
        with pytest.raises(SystemExit) as left:
            main([text])
        assert left.value.code == 2
        assert f"{text}: expected a Gymnasium environment" in capfd.readouterr().err


def test_the_environment_of_an_evaluation_has_the_options_of_the_training_file(here, tmp_path):
    """`Partial-v0` cannot be made without them."""
    options = ["--seeds", "3", "--results-dir", str(tmp_path / "runs"), "--out", str(tmp_path)]
    assert main(["CartPole-v1-memory", *options, "--max-steps", "300"]) == 0
    scores = read_scores(tmp_path / "results" / "CartPole-v1-memory-ppo.json")
    assert (scores.task, scores.evaluation.episodes) == ("CartPole-v1-memory", 20)
    assert scores.seeds[0].mean_return > 0


def test_two_seeds_of_two_tasks(here, tmp_path, monkeypatch, capsys):
    """Runs, tables, scores and curves; episodes are seeded as the task says; a second call trains nothing."""
    seen = []

    def make(env_id, count, seed, options):
        seen.append(seed)
        return make_env(env_id, 2, seed, options)

    make_env = benchmark.make_env
    monkeypatch.setattr(benchmark, "make_env", make)
    options = ["--seeds", "3,4", "--results-dir", str(tmp_path / "runs"), "--out", str(tmp_path)]
    arguments = ["CartPole-v1", "a2c/Pendulum-v1", *options, "--max-steps", "2000"]
    arguments += ["--set", "behaviors.*.summary_freq=1000"]
    assert main(arguments) == 0
    assert seen == [10000, 10000, 210114487, 210114487]
    printed = capsys.readouterr().out
    assert printed.count("| mean |") == 2
    with (tmp_path / "curves" / "CartPole-v1-ppo.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "seed 3", "seed 4"]
    assert (tmp_path / "curves" / "Pendulum-v1-a2c.png").is_file()
    scores = read_scores(tmp_path / "results" / "Pendulum-v1-a2c.json")
    assert (scores.task, scores.trainer, scores.evaluation.first_seed) == ("Pendulum-v1", "a2c", 210114487)
    assert [(score.seed, score.steps) for score in scores.seeds] == [(3, 2000), (4, 2000)]
    assert scores.command.endswith(
        "a2c/Pendulum-v1 --seeds 3,4 --max-steps 2000 --set behaviors.*.summary_freq=1000"
    )
    checkpoint = tmp_path / "runs" / "CartPole-v1-ppo-seed3" / "CartPole-v1" / "checkpoint.pt"
    before = checkpoint.stat().st_mtime_ns
    assert main(arguments) == 0
    assert checkpoint.stat().st_mtime_ns == before
    assert capsys.readouterr().out == printed


def test_an_interrupted_run_is_resumed(here, tmp_path, capsys):
    """It has every file that a finished one has, and only the step of its checkpoint tells the two apart."""
    options = ["--seeds", "3", "--results-dir", str(tmp_path / "runs"), "--out", str(tmp_path)]
    few = ["--max-steps", "1000", "--set", "behaviors.*.summary_freq=500"]
    assert main(["CartPole-v1", *options, *few]) == 0
    run = tmp_path / "runs" / "CartPole-v1-ppo-seed3"
    before = (run / "CartPole-v1" / "progress.csv").read_text()
    configuration = run / "configuration.yaml"
    more = load_settings(configuration, ["behaviors.*.max_steps=2000"])
    configuration.write_text(dump_settings(more), encoding="utf-8")

    assert main(["CartPole-v1", *options]) == 0
    assert load_policy(run).step >= 2000
    assert (run / "CartPole-v1" / "progress.csv").read_text().startswith(before)
    assert read_scores(tmp_path / "results" / "CartPole-v1-ppo.json").seeds[0].steps >= 2000
    assert "| 3 | 2,0" in capsys.readouterr().out


def test_a_run_that_has_learned_enough_is_finished(here, tmp_path):
    options = ["--seeds", "3", "--results-dir", str(tmp_path / "runs"), "--out", str(tmp_path)]
    keys = ["behaviors.*.stop_at_reward=0", "behaviors.*.summary_freq=500"]
    assert main(["CartPole-v1", *options, *(word for key in keys for word in ("--set", key))]) == 0
    score = read_scores(tmp_path / "results" / "CartPole-v1-ppo.json").seeds[0]
    assert score.steps < 10_000
    assert main(["CartPole-v1", *options]) == 0
    assert read_scores(tmp_path / "results" / "CartPole-v1-ppo.json").seeds[0] == score


def test_a_run_that_ends_early_is_no_result(here, tmp_path, capfd):
    """Here because it went elsewhere: nothing is written, and one line says so."""
    options = ["--seeds", "3", "--results-dir", str(tmp_path / "runs"), "--out", str(tmp_path)]
    assert main(["CartPole-v1", *options, "--max-steps", "300", "--run-id", "elsewhere"]) == 2
    assert "CartPole-v1-ppo-seed3: stopped before its last step" in capfd.readouterr().err
    assert not (tmp_path / "results").exists()


def test_ctrl_c_saves_the_run(tmp_path):
    """Command and training get it together, as from a terminal."""
    options = ["--seeds", "3", "--results-dir", tmp_path, "--out", tmp_path, "--max-steps", "10000000"]
    process = subprocess.Popen(
        command("trainers.benchmark", "CartPole-v1", *options, "--set", "behaviors.*.summary_freq=1000"),
        env=surroundings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    run = tmp_path / "CartPole-v1-ppo-seed3"
    try:
        wait_for(run / "CartPole-v1" / "progress.csv", process)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert errors.endswith("interrupted; run the same command again to resume\n")
    assert "Traceback" not in errors
    last = (run / "CartPole-v1" / "progress.csv").read_text().splitlines()[-1]
    assert load_policy(run).step >= int(last.split(",")[0]) >= 4000


@pytest.mark.parametrize("bad", [["CartPole-v1", "--seeds", "1,x"], ["NoSuchTask-v0", "--seeds", "0"]])
def test_bad_input_ends_with_2(bad, here, tmp_path, capfd):
    try:
        status = main([*bad, "--results-dir", str(tmp_path), "--out", str(tmp_path)])
    except SystemExit as left:
        status = left.code
    assert status == 2
    said = capfd.readouterr().err
    assert bad[-1] in said or bad[0] in said
    assert "Traceback" not in said
