"""`python -m trainers.benchmark`: which task, which seeds, and what is written."""

import csv

import pytest

from trainers.playback import benchmark
from trainers.playback.benchmark import Task, main, parse_task, tuned_tasks
from trainers.training.environments import tuned_files

TEN_MILLION = next(path for path in tuned_files("ppo") if path.stem == "Walker2d-v5-10M")


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


def test_two_seeds_of_two_tasks(tmp_path, monkeypatch, capsys):
    """Runs, tables and curves; the episodes are seeded as the task says; a second call trains nothing."""
    seen = []

    def make(env_id, count, seed):
        seen.append(seed)
        return make_env(env_id, 2, seed)

    make_env = benchmark.make_env
    monkeypatch.setattr(benchmark, "make_env", make)
    options = ["--seeds", "3,4", "--results-dir", str(tmp_path / "runs"), "--out", str(tmp_path / "curves")]
    command = ["CartPole-v1", "a2c/Pendulum-v1", *options, "--max-steps", "2000"]
    command += ["--set", "behaviors.*.summary_freq=1000"]
    assert main(command) == 0
    assert seen == [10000, 10000, 210114487, 210114487]
    printed = capsys.readouterr().out
    assert printed.count("| mean |") == 2
    with (tmp_path / "curves" / "CartPole-v1-ppo.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "seed 3", "seed 4"]
    assert (tmp_path / "curves" / "Pendulum-v1-a2c.png").is_file()
    checkpoint = tmp_path / "runs" / "CartPole-v1-ppo-seed3" / "CartPole-v1" / "checkpoint.pt"
    before = checkpoint.stat().st_mtime_ns
    assert main(command) == 0
    assert checkpoint.stat().st_mtime_ns == before
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("bad", [["CartPole-v1", "--seeds", "1,x"], ["NoSuchTask-v0", "--seeds", "0"]])
def test_bad_input_ends_with_2(bad, tmp_path, capfd):
    try:
        status = main([*bad, "--results-dir", str(tmp_path), "--out", str(tmp_path)])
    except SystemExit as left:
        status = left.code
    assert status == 2
    said = capfd.readouterr().err
    assert bad[-1] in said or bad[0] in said
    assert "Traceback" not in said
