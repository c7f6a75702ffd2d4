"""Run folders of earlier versions: they are resumed, their policies act as they did, their replay buffers are read."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from command_tools import REPOSITORY
from learner_tools import assert_same, make_learner
from old_tasks import HYPERPARAMETERS, LENGTH, environment, settings
from run_tools import read_progress
from task_envs import one_hot

from tests.pictures import drawn
from trainers import load_policy, train
from trainers.config import load_settings
from trainers.experience.replay import Replay
from trainers.experience.replay_file import load_replay, save_replay
from trainers.records.checkpoint import load_state
from trainers.training.resuming import restore

OLD = Path(__file__).parent / "old_runs"
KEPT = sorted((REPOSITORY / "docs" / "policies").glob("*/"))
SEEN = np.concatenate(
    [one_hot(np.repeat(np.arange(LENGTH), 2), LENGTH + 1), np.tile([[0.0], [1.0]], (LENGTH, 1))], axis=1
).astype(np.float32)
"""Every observation of a decision in these tasks."""

each_kind = pytest.mark.parametrize("kind", HYPERPARAMETERS)


@each_kind
def test_a_policy_acts_as_it_did(kind):
    expected = json.loads((OLD / "actions.json").read_text())[kind]
    action = load_policy(OLD / kind).act(SEEN)
    np.testing.assert_allclose(action.continuous, expected["continuous"], atol=2e-6)
    np.testing.assert_array_equal(action.discrete, expected["discrete"])


@each_kind
def test_a_checkpoint_is_taken_over_whole(kind, tmp_path):
    learner = make_learner(
        environment(kind).spec, load_settings(settings(kind, tmp_path)).behavior("Task"), seed=8, name="Task"
    )
    path = OLD / kind / "Task" / "checkpoint.pt"
    restore(learner, path)
    before, after = load_state(path), learner.state_dict()
    assert_same(after["reward_signals"]["extrinsic"], {"return_moments": before["return_moments"]})
    assert before["return_moments"]["count"] > 400
    for group in before["Optimizer:value_optimizer"]["adam"]["param_groups"]:
        for constant in group.keys() - {"lr", "params"}:  # of the training file, in older checkpoints
            del group[constant]
    shared = before.keys() & after.keys()
    assert before.keys() - shared == {"return_moments", "behavior"}
    assert_same({name: after[name] for name in shared}, {name: before[name] for name in shared})


@each_kind
def test_a_run_is_resumed_by_its_own_configuration(kind, tmp_path):
    run = Path(shutil.copytree(OLD / kind, tmp_path / kind))
    before = load_state(run / "Task" / "checkpoint.pt")
    rows = read_progress(run)
    overrides = [
        f"checkpoint_settings.results_dir={tmp_path}",
        "checkpoint_settings.resume=true",
        "behaviors.Task.max_steps=800",
    ]
    with drawn():
        outcome = train(environment(kind), run / "configuration.yaml", overrides=overrides)["Task"]
    assert 800 <= outcome.steps < 806
    per_episode = (outcome.steps - before["global_step"]) / (outcome.episodes - before["episodes"])
    assert per_episode == pytest.approx(LENGTH, abs=0.2)
    status = json.loads((OLD / kind / "run_logs" / "training_status.json").read_text())
    assert outcome.best_return >= status["Task"]["best_return"]
    after = read_progress(run)
    assert [{name: row[name] for name in rows[0]} for row in after[: len(rows)]] == rows
    assert int(after[-1]["step"]) == outcome.steps
    assert load_policy(run).step == outcome.steps
    weights = load_state(run / "Task" / "checkpoint.pt")["Policy"]
    assert any(not weights[name].equal(tensor) for name, tensor in before["Policy"].items()), "it learns on"


def test_a_replay_buffer_is_read_as_what_it_was():
    """By what each decision of that task must have led to."""
    task = environment("dqn")
    replay = Replay(task.spec, 200)
    load_replay(replay, OLD / "dqn" / "Task" / "last_replay_buffer.npz")
    rows = np.arange(replay.first, replay.total)
    settled = rows[replay.column("settled", rows % replay.capacity)]
    assert len(settled) == replay.settled_rows == 173
    found = replay.transitions(settled, [0.5])
    (seen,), (following,) = found.observations, found.next_observations
    age, odd = seen[:, :-1].argmax(1), seen[:, -1] == 1
    ended = age == LENGTH - 1
    assert ended.sum() > 20
    np.testing.assert_array_equal(found.reward[:, 0], 1.0 + found.discrete[:, 0])
    assert found.discrete.max() == 1
    np.testing.assert_array_equal(found.discount[:, 0], np.where(ended & ~odd, 0.0, 0.5))
    lasts = found.discount[:, 0] > 0
    np.testing.assert_array_equal(following[lasts, :-1].argmax(1), age[lasts] + 1)
    np.testing.assert_array_equal(following[:, -1] == 1, odd)
    assert found.next_forbidden is not None
    assert not found.next_forbidden[:, 0].any()
    np.testing.assert_array_equal(found.next_forbidden[lasts, 1], age[lasts] == 1)


def test_a_newer_version_saves_an_old_buffer_without_loss(tmp_path):
    task = environment("dqn")
    old, again = Replay(task.spec, 200), Replay(task.spec, 200)
    load_replay(old, OLD / "dqn" / "Task" / "last_replay_buffer.npz")
    save_replay(old, tmp_path / "replay.npz")
    load_replay(again, tmp_path / "replay.npz")
    for name, array in old.state().items():
        np.testing.assert_array_equal(again.state()[name], array)


@pytest.mark.parametrize("folder", KEPT, ids=[folder.name for folder in KEPT])
def test_the_policies_in_docs_act_as_their_models_do(folder):
    policy = load_policy(folder)
    session = onnxruntime.InferenceSession(str(next(folder.glob("*.onnx"))))
    shapes = [tuple(observation.shape) for observation in policy.spec.observation_specs]
    rng = np.random.default_rng(0)
    seen = [
        rng.integers(0, 256, (16, *shape)).astype(np.float32) / 255
        if len(shape) == 3
        else rng.normal(size=(16, *shape)).astype(np.float32)
        for shape in shapes
    ]
    inputs = {f"obs_{index}": array for index, array in enumerate(seen)}
    branches = policy.spec.action_spec.discrete_branches
    if branches:
        inputs["action_masks"] = np.ones((16, sum(branches)), np.float32)
        (found,) = session.run(["deterministic_discrete_actions"], inputs)
        np.testing.assert_array_equal(found, policy.act(seen).discrete)
    else:
        (found,) = session.run(["deterministic_continuous_actions"], inputs)
        np.testing.assert_allclose(found, policy.act(seen).continuous, atol=1e-4)
