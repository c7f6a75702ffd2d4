"""Behaviors with names that no file system takes: trained, resumed, started from, kept, exported and compared."""

import json
import shutil
from pathlib import Path

import onnx
import pytest
import yaml
from run_tools import OPTIONS, options
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from bridge.onnx_check import check_file
from bridge.onnx_export import export_run
from trainers import load_policy, train
from trainers.compare.runs import read_runs
from trainers.playback.keep import keep
from trainers.records.checkpoint import load_state
from trainers.records.names import behavior_folder

NAMES = [
    "../outside",
    "CON",
    "metadata",
    "run_logs",
    "Task",
    "task",
    "Task.onnx",
    "$^$",
    "two\nlines",
    "1.10",
    "on",
    "x" * 10_000,
]


def train_all(results: Path, run_id: str = "first", max_steps: int = 40, **checkpoint: object) -> None:
    env = ScriptedEnv({name: Behavior(make_spec((3,), continuous=1), crowd(4, 60, 5)) for name in NAMES})
    settings = options(results, run_id, **checkpoint)
    behavior = {**OPTIONS["behaviors"]["Task"], "max_steps": max_steps, "summary_freq": 20}
    settings["behaviors"] = {name: {**behavior, "checkpoint_interval": 1000} for name in NAMES}
    train(env, settings)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run. Not to be written to."""
    results = tmp_path_factory.mktemp("somewhere") / "results"
    train_all(results)
    return results / "first"


def test_nothing_is_written_outside_the_run_folder_and_every_behavior_has_all_of_its_files(run):
    assert list(run.parent.iterdir()) == [run]
    assert list(run.parent.parent.iterdir()) == [run.parent]
    folders = {behavior_folder(run, name) for name in NAMES}
    assert {path.parent for path in run.rglob("checkpoint.pt")} == folders
    assert len(folders) == len(NAMES)
    for folder in folders:
        names = {path.name for path in folder.iterdir()}
        assert {"progress.csv", "reward.png", "losses.png"} <= names
        assert any(name.startswith("events.out.tfevents.") for name in names)
    models = {path.name for path in run.glob("*.onnx") if path.is_file()}
    assert models == {f"{folder.name}.onnx" for folder in folders}


def test_the_true_names_are_in_the_settings_the_status_the_checkpoints_and_the_models(run):
    assert set(yaml.safe_load((run / "configuration.yaml").read_text())["behaviors"]) == set(NAMES)
    status = json.loads((run / "run_logs" / "training_status.json").read_text())
    assert set(status) == {*NAMES, "metadata"}
    assert status["metadata"]["stats_format_version"] == "0.3.0"
    for name in NAMES:
        folder = behavior_folder(run, name)
        assert (run / status[name]["final_checkpoint"]["file_path"]).is_file()
        assert load_policy(folder).name == name
        model = run / f"{folder.name}.onnx"
        assert {entry.key: entry.value for entry in onnx.load(model).metadata_props} == {
            "behavior_name": name
        }
        report = check_file(model)
        assert (report.refused, report.warnings) == ([], [])


def test_the_run_is_resumed_and_another_one_starts_from_it(run, tmp_path):
    shutil.copytree(run, tmp_path / "first")
    train_all(tmp_path, max_steps=80, resume=True)
    assert {path.name for path in tmp_path.iterdir()} == {"first"}
    for name in NAMES:
        path = behavior_folder(tmp_path / "first", name) / "checkpoint.pt"
        assert load_state(path)["global_step"] >= 80
    train_all(tmp_path, "second", initialize_from="first")
    assert len(list((tmp_path / "second").glob("*/checkpoint.pt"))) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_is_kept_and_can_be_started_from(name, run, tmp_path):
    keep(behavior_folder(run, name), policies=tmp_path / "policies")
    (kept,) = (tmp_path / "policies").iterdir()
    assert load_policy(kept).name == name
    assert load_policy(behavior_folder(kept, name)).name == name
    assert len(list(kept.glob("*.onnx"))) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"policies"}


def test_models_of_a_run_are_exported_again_over_those_that_are_there(run, tmp_path):
    shutil.copytree(run, tmp_path / "first")
    before = {path for path in (tmp_path / "first").glob("*.onnx") if path.is_file()}
    for path in before:
        path.unlink()
    assert set(export_run(tmp_path / "first")) == before


@pytest.mark.parametrize("name", NAMES)
def test_runs_are_compared_by_their_behaviors_names(name, run):
    (read,) = read_runs([run], name)
    assert read.behavior == name
    assert read.side == "bridge-learn"
    assert read.configuration["max_steps"] == 40


def test_a_run_without_an_id_is_not_named_after_what_no_folder_can_be(tmp_path):
    env = ScriptedEnv({"a/b": Behavior(make_spec((3,), continuous=1), crowd(4, 60, 5))})
    settings = {
        "behaviors": {"a/b": {"max_steps": 20}},
        "checkpoint_settings": {"results_dir": str(tmp_path)},
    }
    train(env, settings)
    (run,) = tmp_path.iterdir()
    assert load_policy(run).name == "a/b"
