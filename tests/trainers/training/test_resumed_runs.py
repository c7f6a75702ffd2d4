"""What later runs make of a run that is there, and what a run that fails leaves of it."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from learner_tools import assert_same
from run_tools import OPTIONS, Stopwatch, contents, options, read_events, read_progress, train_small

from trainers import UserError, load_policy, train
from trainers.config import load_settings
from trainers.records.checkpoint import load_state
from trainers.training.chronicle import SAVED


def test_resume_goes_on_counting_and_appends(run_copy):
    before, tags_before = read_progress(run_copy), read_events(run_copy).Scalars("Losses/Value Loss")
    outcome = train_small(run_copy.parent, behavior={"max_steps": 5000}, resume=True)
    assert 5000 <= outcome.steps < 5016
    assert outcome.episodes == pytest.approx(outcome.steps / 4, abs=40)
    assert load_policy(run_copy).step == outcome.steps

    rows = read_progress(run_copy)
    assert rows[: len(before)] == before
    steps = [int(row["step"]) for row in rows]
    assert steps == sorted(set(steps))
    assert steps[-1] == outcome.steps
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    after = read_events(run_copy)
    scalars = after.Scalars("Losses/Value Loss")
    assert [(event.step, event.value) for event in scalars[: len(tags_before)]] == [
        (event.step, event.value) for event in tags_before
    ]
    assert [event.step for event in after.Scalars("Environment/Cumulative Reward")] == steps
    rates = [float(row["Policy/Learning Rate"]) for row in rows if row["Policy/Learning Rate"]]
    assert rates[len(before)] > rates[len(before) - 1], "the schedule now ends later"
    status = json.loads((run_copy / "run_logs" / "training_status.json").read_text())["Task"]
    assert len(status["checkpoints"]) == 3
    assert len(list((run_copy / "Task").glob("Task-*.pt"))) == 3


def test_resume_after_a_crash_forgets_what_came_after_the_checkpoint(run_copy):
    before = [int(row["step"]) for row in read_progress(run_copy)]
    earlier = sorted((run_copy / "Task").glob("Task-*.pt"))[0]
    shutil.copy(earlier, run_copy / "Task" / "checkpoint.pt")
    at = load_state(earlier)["global_step"]
    outcome = train_small(run_copy.parent, behavior={"max_steps": at + 600}, resume=True)
    steps = [int(row["step"]) for row in read_progress(run_copy)]
    assert [step for step in steps if step <= at] == [step for step in before if step <= at]
    new = [step for step in steps if step > at]
    assert len(new) == 2, "one when summary_freq was due, one at the end"
    assert new == sorted(new)
    assert new[-1] == outcome.steps
    curve = [event.step for event in read_events(run_copy).Scalars("Environment/Cumulative Reward")]
    assert curve == steps


def test_a_finished_run_that_is_resumed_stays_as_it_is(run_copy):
    before = load_state(run_copy / "Task" / "checkpoint.pt")
    outcome = train_small(run_copy.parent, resume=True)
    after = load_state(run_copy / "Task" / "checkpoint.pt")
    assert outcome.steps == before["global_step"] == after["global_step"]
    assert_same(after["Policy"], before["Policy"])


def test_an_existing_run_is_only_overwritten_by_force(run_copy):
    results = run_copy.parent
    with pytest.raises(UserError, match=r"exists already.*--resume.*--force"):
        train_small(results)
    assert load_policy(run_copy).step >= 3000
    (run_copy / "Task" / "mine.txt").write_text("old")
    outcome = train_small(results, behavior={"max_steps": 600}, force=True)
    assert outcome.steps < 700
    assert not (run_copy / "Task" / "mine.txt").exists()
    assert [int(row["step"]) for row in read_progress(run_copy)][-1] == outcome.steps


def test_resume_of_a_run_that_does_not_exist(tmp_path):
    with pytest.raises(UserError, match="there is no run"):
        train_small(tmp_path, "typo", resume=True)
    assert not (tmp_path / "typo").exists()


def test_resume_names_the_newest_run_where_the_wanted_one_is_not_named_or_not_there(run_copy):
    results = run_copy.parent
    for run_id, told in (("typo", "there is no run"), (None, "--resume needs --run-id")):
        with pytest.raises(UserError, match=f"{told}.*; the newest in .* is {run_copy.name}"):
            train_small(results, run_id, resume=True)
    assert [path.name for path in results.iterdir()] == [run_copy.name]


def test_a_run_that_has_lost_its_configuration_says_so_and_goes_on_with_a_copy(run_copy):
    (run_copy / "configuration.yaml").rename(run_copy.parent / "copy.yaml")
    results = run_copy.parent
    with pytest.raises(
        UserError, match=r"--resume: .*configuration\.yaml is missing; copy the run's training"
    ):
        train_small(results, resume=True)
    (run_copy.parent / "copy.yaml").rename(run_copy / "configuration.yaml")
    assert train_small(results, resume=True).steps >= 3000


def test_a_resume_that_fails_leaves_the_run_as_it_was(run_copy):
    before = contents(run_copy)
    wider = {"network_settings": {"hidden_units": 16, "num_layers": 1, "normalize": True}}
    with pytest.raises(UserError, match="another network"):
        train_small(run_copy.parent, behavior=wider, resume=True)
    assert contents(run_copy) == before
    again = ["checkpoint_settings.resume=true", f"checkpoint_settings.results_dir={run_copy.parent}"]
    train(Stopwatch().env(), run_copy / "configuration.yaml", overrides=again)


def test_initialize_from_takes_the_weights_and_starts_at_zero(run_copy):
    source = load_state(run_copy / "Task" / "checkpoint.pt")
    no_learning = {**OPTIONS["behaviors"]["Task"]["hyperparameters"], "buffer_size": 1024}
    outcome = train_small(
        run_copy.parent,
        "second",
        behavior={"max_steps": 200, "hyperparameters": no_learning},
        initialize_from="first",
    )
    assert 200 <= outcome.steps < 216
    assert int(read_progress(run_copy.parent / "second")[-1]["step"]) == outcome.steps
    started = load_state(run_copy.parent / "second" / "Task" / "checkpoint.pt")
    assert started["global_step"] == outcome.steps
    assert_same(started["Policy"], source["Policy"])  # no update yet
    with pytest.raises(UserError, match=r"--initialize-from nothing: no run folder"):
        train_small(run_copy.parent, "third", initialize_from="nothing")


def test_a_run_elsewhere_is_named_by_its_path(run_copy, tmp_path, monkeypatch):
    """As that of a kept policy; a run of this name among the others comes first."""
    monkeypatch.chdir(run_copy.parent.parent)
    results, source = tmp_path / "mine", Path(run_copy.parent.name, run_copy.name)
    expected = load_policy(run_copy).policy.state_dict()
    outcome = train_small(results, behavior={"max_steps": 50}, initialize_from=str(source))
    assert_same(load_policy(outcome.folder).policy.state_dict(), expected)
    (results / source).mkdir(parents=True)
    with pytest.raises(UserError, match="holds no checkpoint"):
        train_small(results, "other", initialize_from=str(source))
    file = str(source / "Task" / "checkpoint.pt")
    with pytest.raises(UserError, match="to start from a file, give it as init_path of the behavior"):
        train_small(results, "other", initialize_from=file)


def test_the_path_of_a_run_in_place_of_its_name_is_told_as_options(run_copy):
    with pytest.raises(
        UserError, match=re.escape(f"that run is --results-dir {run_copy.parent} --run-id {run_copy.name}")
    ):
        train_small(run_copy.parent, str(run_copy), resume=True)


@pytest.mark.parametrize("of", ["folder", "file"])
def test_init_path_takes_weights_from_a_run_or_a_file(run_copy, of):
    path = run_copy if of == "folder" else sorted((run_copy / "Task").glob("Task-*.pt"))[0]
    expected = load_policy(path).policy.state_dict()
    settings = options(run_copy.parent, "second", behavior={"max_steps": 50, "init_path": str(path)})
    train(Stopwatch().env(), settings)
    found = load_policy(run_copy.parent / "second").policy.state_dict()
    assert_same(found, expected)


def test_init_path_without_a_folder_is_a_checkpoint_of_the_run_to_start_from(run_copy):
    earlier = sorted((run_copy / "Task").glob("Task-*.pt"))[0]
    expected = load_policy(earlier).policy.state_dict()
    behavior = {"max_steps": 50, "init_path": earlier.name}
    train_small(run_copy.parent, "second", behavior=behavior, initialize_from="first")
    found = load_policy(run_copy.parent / "second").policy.state_dict()
    assert_same(found, expected)
    behavior["init_path"] = str(run_copy / "Task" / "best.pt")  # with a folder it stays what it is
    train_small(run_copy.parent, "third", behavior=behavior, initialize_from="first")
    behavior["init_path"] = "Task-1.pt"
    with pytest.raises(UserError, match=r"first.Task.Task-1\.pt"):
        train_small(run_copy.parent, "fourth", behavior=behavior, initialize_from="first")


def test_watching_with_other_options_changes_nothing_of_the_run(run_copy):
    before = contents(run_copy)
    watched = options(run_copy.parent, resume=True, inference=True, behavior={"summary_freq": 100})
    watched["behaviors"]["Task"]["network_settings"] = {
        **OPTIONS["behaviors"]["Task"]["network_settings"],
        "deterministic": True,
    }
    watched["engine_settings"] = {"time_scale": 1}
    train(Stopwatch(stop_after=20).env(), watched)
    assert contents(run_copy) == before


def test_what_a_run_was_started_with_does_not_stick(tmp_path):
    train_small(tmp_path, behavior={"max_steps": 50}, force=True)
    train_small(tmp_path, behavior={"max_steps": 100}, resume=True)
    train(Stopwatch(stop_after=2).env(), options(tmp_path, "watched", inference=True))
    for run in ("first", "watched"):
        written = yaml.safe_load((tmp_path / run / "configuration.yaml").read_text())["checkpoint_settings"]
        assert not any(written[key] for key in ("force", "resume", "inference"))


@pytest.mark.parametrize("key", ["force", "resume", "inference"])
@pytest.mark.parametrize("as_text", [False, True])
def test_the_record_of_a_run_of_old_cannot_overwrite_resume_or_watch_it(run_copy, key, as_text):
    path = run_copy / "configuration.yaml"
    content = yaml.safe_load(path.read_text())
    content["checkpoint_settings"] |= {key: True, "results_dir": str(run_copy.parent)}
    path.write_text(yaml.safe_dump(content))
    (run_copy / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        train(Stopwatch().env(), str(path) if as_text else path)
    assert (run_copy / "notes.txt").read_text() == "mine"
    again = load_settings(path, ["checkpoint_settings.resume=true"]).checkpoint_settings
    assert (again.resume, again.force, again.inference) == (True, False, False)


def test_inference_goes_on_until_stopped_and_learns_nothing(run_copy):
    before = (run_copy / "Task" / "checkpoint.pt").read_bytes()
    outcome = train(Stopwatch(stop_after=100).env(), options(run_copy.parent, resume=True, inference=True))[
        "Task"
    ]
    assert outcome.episodes > load_state(run_copy / "Task" / "checkpoint.pt")["episodes"]
    assert (run_copy / "Task" / "checkpoint.pt").read_bytes() == before


def test_numbers_that_are_not_finite_stop_the_run_and_what_was_learned_is_saved(tmp_path):
    env = Stopwatch(nan_after=120).env()
    with pytest.raises(UserError, match=r"behavior Task, agent \d+: reward is nan") as caught:
        train(env, options(tmp_path))
    assert caught.value.__notes__ == [SAVED]
    assert env.closed
    policy = load_policy(tmp_path / "first")
    assert policy.step == 119 * 16, "all decisions rewarded before"
    assert int(read_progress(tmp_path / "first")[-1]["step"]) >= 1500
    outcome = train_small(tmp_path, behavior={"max_steps": 2000}, resume=True)
    assert 2000 <= outcome.steps < 2016


def test_weights_that_are_no_longer_finite_stop_the_run_and_are_never_saved(run_copy):
    before = load_state(run_copy / "Task" / "checkpoint.pt")
    wild = {**OPTIONS["behaviors"]["Task"]["hyperparameters"], "learning_rate": 1e38}
    with pytest.raises(UserError, match=r"behavior Task: training diverged at step \d+.*learning_rate"):
        train_small(run_copy.parent, behavior={"hyperparameters": wild, "max_steps": 9000}, resume=True)
    after = load_state(run_copy / "Task" / "checkpoint.pt")
    assert after["global_step"] == before["global_step"]
    assert all(torch.isfinite(tensor).all() for tensor in after["Policy"].values())
