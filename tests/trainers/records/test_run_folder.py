"""What a run leaves on disk, and which folders it may use."""

import json
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
import yaml
from learner_tools import assert_same
from run_tools import OPTIONS, Stopwatch, options, read_events, read_progress, train_small
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from bridge.onnx_check import check_file
from trainers import UserError, load_policy, train
from trainers.config import load_settings
from trainers.records import run_folder
from trainers.records.checkpoint import load_state
from trainers.records.run_folder import with_run_id

# The tags of mlagents-learn's own PPO runs, to the letter.
PPO_TAGS = {
    "Environment/Cumulative Reward",
    "Environment/Episode Length",
    "Policy/Entropy",
    "Policy/Learning Rate",
    "Policy/Epsilon",
    "Policy/Beta",
    "Policy/Extrinsic Reward",
    "Policy/Extrinsic Value Estimate",
    "Losses/Policy Loss",
    "Losses/Value Loss",
}
# What is reported beside them.
OWN_TAGS = {
    "Environment/Cumulative Reward Deviation",
    "Policy/Approximate KL",
    "Policy/Clip Fraction",
    "Policy/Action Deviation",
    "Policy/Extrinsic Explained Variance",
    "Losses/Gradient Norm",
    "Speed/Steps per Second",
}
TAGS = PPO_TAGS | OWN_TAGS
HISTOGRAM = "Environment/Cumulative Reward_hist"


def test_outcome_says_what_was_reached(finished_run):
    run, outcome = finished_run
    assert 3000 <= outcome.steps < 3000 + 16
    assert outcome.episodes == pytest.approx(outcome.steps / 4, abs=16)
    assert outcome.mean_return == outcome.best_return == 4.0
    assert outcome.folder == run / "Task"


def test_run_folder_has_the_layout_of_mlagents_learn_and_no_leftovers(finished_run):
    run, outcome = finished_run
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    events = {name for name in files if re.fullmatch(r"Task/events\.out\.tfevents\..*", name)}
    steps = sorted(int(found[1]) for name in files if (found := re.fullmatch(r"Task/Task-(\d+)\.pt", name)))
    assert len(events) == 1
    assert len(steps) == 3
    assert steps[-1] == outcome.steps
    for step, due in zip(steps, (2100, 2800, 3000), strict=True):
        assert due <= step < due + 16
    by_step = {f"Task/Task-{step}.{suffix}" for step in steps for suffix in ("pt", "onnx")}
    assert files - events - by_step == {
        "Task.onnx",
        "configuration.yaml",
        "run_logs/command.txt",
        "run_logs/system.json",
        "run_logs/timers.json",
        "run_logs/training_status.json",
        "Task/checkpoint.pt",
        "Task/best.pt",
        "Task/progress.csv",
        "Task/reward.png",
        "Task/losses.png",
    }


def test_tensorboard_has_mlagents_tags_and_those_of_our_own(finished_run):
    run, _ = finished_run
    tags = read_events(run).Tags()
    assert set(tags["scalars"]) == TAGS
    assert tags["histograms"] == [HISTOGRAM]
    assert tags["tensors"] == ["Hyperparameters/text_summary"]
    assert not any(
        tags[kind] for kind in ("images", "audio", "graph", "run_metadata") if tags[kind] is not False
    )


def test_tensorboard_counts_agent_steps_and_means_what_it_says(finished_run):
    run, outcome = finished_run
    events = read_events(run)
    rewards = events.Scalars("Environment/Cumulative Reward")
    steps = [event.step for event in rewards]
    assert steps[-1] == outcome.steps
    assert all(due <= step < due + 16 for step, due in zip(steps, range(500, 3001, 500), strict=False))
    last = {tag: events.Scalars(tag)[-1].value for tag in PPO_TAGS}
    assert last["Environment/Cumulative Reward"] == 4.0
    assert last["Environment/Episode Length"] == 4.0
    assert last["Policy/Extrinsic Reward"] == 2.0, "after the signal's strength"
    assert 0.0 < last["Policy/Learning Rate"] < 3e-4
    assert 0.1 < last["Policy/Epsilon"] < 0.2
    assert 1e-5 < last["Policy/Beta"] < 5e-3
    assert last["Policy/Entropy"] == pytest.approx(np.log(2) + 0.5 * np.log(2 * np.pi * np.e), rel=0.1)
    histogram = events.Histograms(HISTOGRAM)[-1].histogram_value
    assert histogram.min == histogram.max == 4.0
    assert [event.step for event in events.Histograms(HISTOGRAM)] == steps
    text = events.Tensors("Hyperparameters/text_summary")[0].tensor_proto.string_val[0].decode()
    written = yaml.safe_load(text.removeprefix("```yaml\n").removesuffix("```"))
    assert written["hyperparameters"]["buffer_size"] == 256


def test_progress_is_the_same_curve_as_tensorboard(finished_run):
    run, _ = finished_run
    rows, events = read_progress(run), read_events(run)
    assert set(rows[0]) == {"step", "seconds", *TAGS}
    for tag in TAGS:
        expected = [(event.step, pytest.approx(event.value, rel=1e-5)) for event in events.Scalars(tag)]
        assert [(int(row["step"]), float(row[tag])) for row in rows if row[tag]] == expected
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)


def test_every_model_of_a_run_is_one_that_unity_takes(finished_run):
    run, _ = finished_run
    for path in (run / "Task.onnx", *(run / "Task").glob("*.onnx")):
        assert not check_file(path).refused


def test_training_status_and_timers_have_mlagents_keys(finished_run):
    run, outcome = finished_run
    status = json.loads((run / "run_logs" / "training_status.json").read_text())
    assert set(status) == {"Task", "metadata"}
    assert set(status["metadata"]) == {"stats_format_version", "mlagents_version", "torch_version"}
    assert len(status["Task"]["checkpoints"]) == 3
    for entry in (*status["Task"]["checkpoints"], status["Task"]["final_checkpoint"]):
        assert set(entry) == {"steps", "file_path", "reward", "creation_time", "auxillary_file_paths"}
        assert (run / entry["file_path"]).is_file()
        (weights,) = entry["auxillary_file_paths"]
        assert load_state(run / weights)["global_step"] == entry["steps"]
    final = status["Task"]["final_checkpoint"]
    assert final["steps"] == outcome.steps
    assert final["reward"] == 4.0

    timers = json.loads((run / "run_logs" / "timers.json").read_text())
    assert {"name", "gauges", "metadata", "total", "count", "self", "children"} <= set(timers)
    assert timers["name"] == "root"
    assert {"env", "policy", "update", "checkpoint"} <= set(timers["children"])
    assert set(timers["children"]["update"]) >= {"total", "count", "self"}
    assert timers["total"] >= sum(child["total"] for child in timers["children"].values())
    gauge = timers["gauges"]["Task.Environment.CumulativeReward.mean"]
    assert set(gauge) == {"value", "min", "max", "count"}
    assert gauge["value"] == gauge["max"] == 4.0
    assert gauge["count"] == len(read_progress(run))


def test_configuration_makes_the_same_run_again(finished_run, tmp_path):
    run, _ = finished_run
    content = yaml.safe_load((run / "configuration.yaml").read_text())
    assert content["env_settings"]["seed"] == 5
    assert content["behaviors"]["Task"]["hyperparameters"]["buffer_size"] == 256
    again = ["checkpoint_settings.run_id=again", f"checkpoint_settings.results_dir={tmp_path}"]
    train(Stopwatch().env(), run / "configuration.yaml", overrides=again)
    one, other = (load_state(path / "Task" / "checkpoint.pt")["Policy"] for path in (run, tmp_path / "again"))
    assert_same(one, other)


def test_summary_lines_are_those_of_mlagents_learn(tmp_path, capsys):
    train_small(tmp_path, behavior={"max_steps": 1000})
    lines = [line for line in capsys.readouterr().out.splitlines() if "Step:" in line]
    pattern = (
        r"\[INFO\] Task\. Step: (\d+)\. Time Elapsed: \d+\.\d{3} s\. "
        r"Mean Reward: \d+\.\d{3}\. Std of Reward: \d+\.\d{3}\. Training\."
    )
    matches = [re.fullmatch(pattern, line) for line in lines]
    assert [match and 0 <= int(match[1]) - 500 * (i + 1) < 16 for i, match in enumerate(matches)] == [
        True
    ] * 2


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_no_run_is_never_deleted(tmp_path, force):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match=r"run.id"):
        train_small(tmp_path, force=force)
    assert (tmp_path / "first" / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    "run_id", ["../outside", "a/b", ".", "..", "", "a:b", "nul.txt", "end.", "a\0b", "x" * 10_000]
)
def test_a_run_id_cannot_lead_out_of_the_results_folder(tmp_path, run_id):
    with pytest.raises(UserError, match="run-id"):
        train_small(tmp_path / "results", run_id, force=True)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("env_path", "stem"),
    [
        ("my_module:Maze-v0", "Maze-v0"),
        ("my.module:team/Maze-v0", "Maze-v0"),
        ("ALE/Assault-v5", "Assault-v5"),
        ("Build/Walker.x86_64", "Walker"),
        ("./Build/My Game.app", "My Game"),
        ("./Build/My Game.app/", "My Game"),
    ],
)
def test_a_run_without_a_name_gets_that_of_its_environment(env_path, stem):
    with with_run_id(load_settings({"env_settings": {"env_path": env_path}})) as settings:
        assert re.fullmatch(re.escape(stem) + r"-\d{8}-\d{6}", str(settings.checkpoint_settings.run_id))


def test_starts_in_the_same_second_choose_different_names_and_leave_none_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder.time, "strftime", lambda _: "20260101-120000")
    wanted = load_settings(
        {
            "env_settings": {"env_path": "Maze-v0"},
            "checkpoint_settings": {"results_dir": str(tmp_path / "some" / "runs")},
        }
    )
    with ThreadPoolExecutor(8) as pool, ExitStack() as stack:
        first = stack.enter_context(with_run_id(wanted))  # makes the folders around, leaves last
        found = [first, *pool.map(lambda _: stack.enter_context(with_run_id(wanted)), range(39))]
        names = {settings.checkpoint_settings.run_id for settings in found}
        assert names == {"Maze-v0-20260101-120000", *(f"Maze-v0-20260101-120000-{n}" for n in range(2, 41))}
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "some").write_text("a file in the way")
    with with_run_id(wanted) as settings:
        assert settings.checkpoint_settings.run_id == "Maze-v0-20260101-120000"
    assert (tmp_path / "some").read_text() == "a file in the way"


def test_a_signal_ends_the_run_saved_and_handlers_are_put_back(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    env = Stopwatch(stop_after=60).env()
    outcome = train(env, options(tmp_path))["Task"]
    assert signal.getsignal(signal.SIGINT) is before
    assert 700 < outcome.steps < 1000
    assert load_policy(tmp_path / "first").step == outcome.steps
    assert (tmp_path / "first" / "Task" / "reward.png").is_file()
    assert env.closed


def test_a_run_that_never_began_leaves_its_name_free(tmp_path):
    def fail(settings):
        raise UserError("no such environment")

    with pytest.raises(UserError, match="no such environment"):
        train(fail, options(tmp_path))
    assert list(tmp_path.iterdir()) == []

    def fail_with_a_log(settings):
        log = tmp_path / "first" / "run_logs" / "Player-0.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("why it failed")
        raise UserError("the player ended")

    with pytest.raises(UserError, match="the player ended"):
        train(fail_with_a_log, options(tmp_path))
    assert (tmp_path / "first" / "run_logs" / "Player-0.log").read_text() == "why it failed"


def test_the_last_summary_counts_for_the_best_policy(tmp_path):
    watch = Stopwatch()
    watch.pay = lambda obs, action: np.full(16, float(obs[0][:, 3].sum() > 0) * next(growing))  # type: ignore
    growing = iter(range(10_000))
    outcome = train(watch.env(), options(tmp_path, behavior={"max_steps": 1800}))["Task"]
    assert load_policy(tmp_path / "first", "best").step == outcome.steps
    assert outcome.best_return == outcome.mean_return


def test_behaviors_have_folders_of_their_own_teams_share_one_and_each_ends_by_itself(tmp_path):
    plans = {
        name: crowd(4, 400, 6, seed) for seed, name in enumerate(("Walker?team=0", "Walker?team=1", "Flyer"))
    }
    plans["Walker?team=1"] = [replace(life, agent=life.agent + 50) for life in plans["Walker?team=1"]]
    specs = {"Walker": make_spec((3,), continuous=2), "Flyer": make_spec((5,), branches=(2,))}
    env = ScriptedEnv({name: Behavior(specs[name.split("?")[0]], plan) for name, plan in plans.items()})
    settings = options(tmp_path)
    common = {**OPTIONS["behaviors"]["Task"], "summary_freq": 200}
    settings["behaviors"] = {
        "Walker": {**common, "max_steps": 1200},
        "Flyer": {**common, "max_steps": 300, "checkpoint_interval": 10_000},
    }
    outcomes = train(env, settings)
    run = tmp_path / "first"
    assert set(outcomes) == {"Walker", "Flyer"}
    assert 1200 <= outcomes["Walker"].steps < 1210
    assert {path.name for path in run.iterdir() if path.is_dir()} == {"Walker", "Flyer", "run_logs"}
    policy = load_policy(run / "Flyer")
    assert 300 <= policy.step < 305, "saved when it had its steps, not when the others had theirs"
    assert policy.spec.action_spec.discrete_branches == (2,)
    status = json.loads((run / "run_logs" / "training_status.json").read_text())
    assert set(status) == {"Walker", "Flyer", "metadata"}
    # The teams' decisions all count, and reach the one policy.
    for name in plans:
        assert len(env.behaviors[name].actions) >= 300


def test_an_environment_with_a_behavior_that_is_not_in_the_file(tmp_path):
    settings = {**options(tmp_path), "behaviors": {"Walker": OPTIONS["behaviors"]["Task"]}}
    with pytest.raises(UserError, match=r"behavior Task.*\(Walker\)"):
        train(Stopwatch().env(), settings)
