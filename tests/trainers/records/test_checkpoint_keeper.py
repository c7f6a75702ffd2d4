"""Which checkpoints are kept, which policy is the best, and how they are found again."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from learner_tools import behavior_settings, make_learner, whole_state
from scripted_env import make_spec

from trainers import UserError, load_policy
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.records.checkpoint import load_state, save_state
from trainers.records.checkpoint_keeper import CheckpointKeeper
from trainers.records.policy_file import find_checkpoint
from trainers.records.run_status import read_status
from trainers.training.file_recorder import FileRecorder
from trainers.training.recorder import Recorder

SPEC = make_spec((4,), continuous=2, branches=(3, 2))
SETTINGS = behavior_settings(
    "ppo", {"buffer_size": 40, "batch_size": 16}, {"normalize": True}, max_steps=1000
)


def saved(recorder: Recorder) -> dict:
    """The recorder's part of `training_status.json` after a checkpoint."""
    recorder.save()
    recorder.export()
    return json.loads(json.dumps(recorder.status()))


def save_at(keeper: CheckpointKeeper, *steps: int) -> OnPolicyLearner:
    """Checkpoints of a learner at these steps, which are its rewards too."""
    learner = make_learner(SPEC, SETTINGS)
    for step in steps:
        learner.step = step
        keeper.save(whole_state(learner), float(step))
        keeper.export(lambda path: path.write_bytes(f"model of {path.stem}".encode()))
    return learner


def test_the_newest_checkpoints_are_kept_and_older_ones_deleted(tmp_path):
    keeper = CheckpointKeeper(tmp_path, "Test", keep=3)
    save_at(keeper, 10, 20, 30, 40, 40, 50)
    names = {path.name for path in keeper.folder.iterdir()}
    steps = {f"Test-{step}{suffix}" for step in (30, 40, 50) for suffix in (".pt", ".onnx")}
    assert names == {*steps, "checkpoint.pt"}
    assert load_state(keeper.folder / "checkpoint.pt")["global_step"] == 50
    assert (tmp_path / "Test.onnx").read_text() == "model of Test-50"
    status = keeper.status()
    assert [entry["steps"] for entry in status["checkpoints"]] == [30, 40, 50]
    assert [entry["file_path"] for entry in status["checkpoints"]] == [
        f"Test/Test-{s}.onnx" for s in (30, 40, 50)
    ]
    assert status["final_checkpoint"]["file_path"] == "Test.onnx"
    assert status["final_checkpoint"]["auxillary_file_paths"] == ["Test/checkpoint.pt"]
    assert status["final_checkpoint"]["reward"] == 50.0
    json.dumps(status)

    # A later run takes the list over, less what has been deleted by hand, and goes on deleting.
    (keeper.folder / "Test-40.pt").unlink()
    later = CheckpointKeeper(tmp_path, "Test", keep=2)
    later.restore(status)
    assert [entry["steps"] for entry in later.entries] == [30, 50]
    save_at(later, 60)
    names = {path.name for path in keeper.folder.glob("Test-*.pt")}
    assert names == {"Test-50.pt", "Test-60.pt"}


def test_files_of_a_checkpoint_that_a_kill_cut_short_are_swept_and_no_others(tmp_path):
    keeper = CheckpointKeeper(tmp_path, "Test", keep=3)
    learner = save_at(keeper, 10, 20)
    keeper.save_best(whole_state(learner))
    status = keeper.status()
    others = ("Test-30.pt.bak", "Test-x.pt", "Other-30.pt", "Test-30.txt", "Test--30.pt", "Test-10.onnx")
    for name in (*others, "Test-30.pt", "Test-30.onnx", "Test-5.onnx"):
        (keeper.folder / name).touch()
    (keeper.folder / "Test-10.onnx").unlink()  # by hand

    CheckpointKeeper(tmp_path, "Test", keep=3).restore({})
    assert (keeper.folder / "Test-30.pt").is_file(), "without a list, nothing is known to be left over"
    later = CheckpointKeeper(tmp_path, "Test", keep=3)
    later.restore(status)
    names = {path.name for path in keeper.folder.iterdir()}
    listed = {"Test-10.pt", "Test-20.pt", "Test-20.onnx", "checkpoint.pt", "best.pt"}
    assert names == listed | set(others) - {"Test-10.onnx"}
    assert [entry["steps"] for entry in later.entries] == [10, 20]
    again = CheckpointKeeper(tmp_path, "Test", keep=3)
    again.restore(later.status())
    assert names == {path.name for path in keeper.folder.iterdir()}


def test_numbered_files_without_a_list_are_put_on_one(tmp_path):
    """As after a kill between the first checkpoint and the first `training_status.json`."""
    keeper = CheckpointKeeper(tmp_path, "Test", keep=2)
    save_at(keeper, 9, 10)
    (keeper.folder / "Test-10.onnx").unlink()
    later = CheckpointKeeper(tmp_path, "Test", keep=2)
    later.restore({})
    assert [(entry["steps"], entry["file_path"]) for entry in later.entries] == [
        (9, "Test/Test-9.onnx"),
        (10, "Test/Test-10.pt"),
    ]
    save_at(later, 20)
    names = {path.name for path in keeper.folder.glob("Test-*")}
    assert names == {"Test-10.pt", "Test-20.pt", "Test-20.onnx"}


def end_episodes(recorder: Recorder, returns: list[float], at_step: int) -> None:
    """Episodes with these returns end, and a summary is written."""
    learner = recorder.learner
    learner.metrics.add_episodes(np.array(returns), np.zeros(len(returns)), np.ones(len(returns)))
    learner.step = at_step
    learner.policy.log_std.data.fill_(at_step)  # so that a saved policy tells when it was saved
    summary = recorder.summarise(at_step / 100)
    assert summary is not None
    recorder.write(summary)


def saved_at(folder: Path) -> float:
    return load_state(folder / "Test" / "best.pt")["Policy"]["log_std"][0].item()


def test_best_is_the_policy_with_the_highest_mean_of_a_hundred_episodes_at_a_summary(tmp_path):
    learner = make_learner(SPEC, SETTINGS)
    recorder = FileRecorder(learner, tmp_path, "", {}, resume=False)
    best = tmp_path / "Test" / "best.pt"

    end_episodes(recorder, [1000.0] * 99, at_step=100)
    assert not best.exists(), "99 episodes are too few"
    end_episodes(recorder, [5.0] * 100, at_step=200)
    assert saved_at(tmp_path) == 200
    assert recorder.best_return == 5.0
    end_episodes(recorder, [4.0] * 100, at_step=300)
    assert saved_at(tmp_path) == 200, "worse"
    end_episodes(recorder, [6.0] * 90 + [106.0] * 10, at_step=400)
    assert saved_at(tmp_path) == 400
    assert recorder.best_return == 16.0

    learner.training = False
    end_episodes(recorder, [99.0] * 100, at_step=500)
    assert saved_at(tmp_path) == 400, "only training makes a policy better"
    learner.training = True
    status = saved(recorder)
    assert status["best_return"] == 16.0
    assert recorder.close().best_return == 16.0

    # A resumed run does not overwrite a better policy of the run before.
    resumed = FileRecorder(make_learner(SPEC, SETTINGS), tmp_path, "", status, resume=True)
    assert resumed.best_return == 16.0
    end_episodes(resumed, [15.0] * 100, at_step=600)
    assert saved_at(tmp_path) == 400
    end_episodes(resumed, [17.0] * 100, at_step=700)
    assert saved_at(tmp_path) == 700
    resumed.close()


def crashed_run(run: Path) -> dict:
    """A run whose best policy is newer than its status; returns the status."""
    learner = make_learner(SPEC, SETTINGS)
    recorder = FileRecorder(learner, run, "", {}, resume=False)
    end_episodes(recorder, [5.0] * 100, at_step=100)
    status = saved(recorder)
    end_episodes(recorder, [9.0] * 100, at_step=200)
    return status


def test_a_run_that_crashed_after_its_best_summary_keeps_that_policy(tmp_path):
    status = crashed_run(tmp_path)
    assert status["best_return"] == 5.0
    assert saved_at(tmp_path) == 200
    resumed = FileRecorder(make_learner(SPEC, SETTINGS), tmp_path, "", status, resume=True)
    assert resumed.best_return == 9.0
    end_episodes(resumed, [7.0] * 100, at_step=300)
    assert saved_at(tmp_path) == 200, "7 is less than 9"
    end_episodes(resumed, [9.5] * 100, at_step=400)
    assert saved_at(tmp_path) == 400
    assert resumed.close().best_return == 9.5


def test_a_best_policy_without_a_score_has_the_one_of_the_status(tmp_path):
    status = crashed_run(tmp_path)
    path = tmp_path / "Test" / "best.pt"
    state = load_state(path)
    del state["best_return"]
    save_state(path, state)
    assert FileRecorder(make_learner(SPEC, SETTINGS), tmp_path, "", status, resume=True).best_return == 5.0


def test_a_best_policy_that_is_deleted_is_followed_by_the_next_and_a_damaged_one_is_named(tmp_path):
    status = crashed_run(tmp_path)
    path = tmp_path / "Test" / "best.pt"
    path.write_bytes(b"rubbish")
    with pytest.raises(UserError, match=r"best\.pt: not a readable checkpoint .*, or delete it"):
        FileRecorder(make_learner(SPEC, SETTINGS), tmp_path, "", status, resume=True)
    path.unlink()
    resumed = FileRecorder(make_learner(SPEC, SETTINGS), tmp_path, "", status, resume=True)
    end_episodes(resumed, [1.0] * 100, at_step=300)
    assert saved_at(tmp_path) == 300


def test_a_run_without_a_best_policy_is_resumed(tmp_path):
    learner = make_learner(SPEC, SETTINGS)
    recorder = FileRecorder(learner, tmp_path, "", {}, resume=False)
    end_episodes(recorder, [1.0] * 10, at_step=100)
    status = saved(recorder)
    assert math.isnan(recorder.close().best_return)
    resumed = FileRecorder(make_learner(SPEC, SETTINGS), tmp_path, "", status, resume=True)
    end_episodes(resumed, [1.0] * 90, at_step=200)
    assert saved_at(tmp_path) == 200, "the ten episodes of the run before count"
    saved(resumed)
    assert resumed.close().best_return == 1.0


def test_checkpoints_are_found_by_name_step_and_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    keeper = CheckpointKeeper(run, "Test", keep=5)
    learner = save_at(keeper, 10, 110)
    keeper.save_best(whole_state(learner))
    with pytest.raises(UserError, match=r"it holds runs: give one of them, such as .*run$"):
        find_checkpoint(tmp_path)
    for folder in (run, run / "Test"):
        assert find_checkpoint(folder).name == "checkpoint.pt"
        assert find_checkpoint(folder, "best").name == "best.pt"
        assert find_checkpoint(folder, "10").name == "Test-10.pt"
    assert load_policy(run, "10").step == 10
    with pytest.raises(UserError, match=r"holds no checkpoint '11'.*; choose last, best, 10 or 110"):
        find_checkpoint(run, "11")
    (run / "Test" / "best.pt").unlink()
    for folder in (run, run / "Test"):
        with pytest.raises(UserError, match="once 100 episodes have ended; choose last, 10 or 110"):
            find_checkpoint(folder, "best")
    with pytest.raises(UserError, match="no such run folder"):
        find_checkpoint(tmp_path / "nowhere")
    (tmp_path / "runs").mkdir()
    run.rename(tmp_path / "runs" / "run")
    with pytest.raises(UserError, match=r"run: no such run folder or checkpoint; did you mean runs.run\?"):
        find_checkpoint(Path("run"))
    (tmp_path / "runs" / "run").rename(run)
    with pytest.raises(UserError, match=r"Test-10.onnx: expected a run folder or a checkpoint \(.pt\) here"):
        find_checkpoint(run / "Test" / "Test-10.onnx")
    with pytest.raises(UserError, match="no such checkpoint"):
        load_policy(tmp_path / "nothing.pt")
    CheckpointKeeper(run, "Other", keep=5).save(whole_state(learner), None)
    with pytest.raises(UserError, match=r"several behaviors \(Other, Test\)"):
        find_checkpoint(run)
    assert find_checkpoint(run / "Other").parent.name == "Other"


def test_status_that_is_not_json_is_a_user_error(tmp_path):
    path = tmp_path / "training_status.json"
    assert read_status(path) == {}
    path.write_text('{"Test": ')
    with pytest.raises(UserError, match="not valid JSON"):
        read_status(path)


def test_a_process_that_is_killed_between_two_files_leaves_one_to_resume_from(tmp_path):
    """A folder in the place of the numbered file stops the writer there, as a kill does."""
    keeper = CheckpointKeeper(tmp_path, "Test", keep=2)
    learner = make_learner(SPEC, SETTINGS)
    learner.step = 10
    (keeper.folder / "Test-10.pt" / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match=r"Test-10\.pt"):
        keeper.save(whole_state(learner), None)
    assert load_state(keeper.folder / "checkpoint.pt")["global_step"] == 10
    assert keeper.entries == []


def test_an_old_checkpoint_that_cannot_be_deleted_does_not_make_the_new_one_fail(tmp_path):
    """A folder in its place refuses as a file does on Windows while another program reads it."""
    keeper = CheckpointKeeper(tmp_path, "Test", keep=1)
    learner = make_learner(SPEC, SETTINGS)
    for learner.step in (10, 20):
        keeper.save(whole_state(learner), None)
        if learner.step == 10:
            (keeper.folder / "Test-10.pt").unlink()
            (keeper.folder / "Test-10.pt" / "in the way").mkdir(parents=True)
    assert [entry["steps"] for entry in keeper.entries] == [20]
    assert load_state(keeper.folder / "Test-20.pt")["global_step"] == 20
