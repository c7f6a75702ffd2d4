"""A checkpoint goes on exactly where it was, and nothing that happens to its file goes unnoticed."""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from learner_tools import behavior_settings, drive, make_learner
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from trainers import UserError, load_policy
from trainers.checkpoint import CheckpointKeeper, load_state, read_status, save_state, write_atomically
from trainers.on_policy import OnPolicyLearner
from trainers.policy_file import describe, find_checkpoint
from trainers.recorder import Recorder, restore

SPEC = make_spec((4,), continuous=2, branches=(3, 2))
SETTINGS = {
    "ppo": behavior_settings(
        "ppo",
        {
            "buffer_size": 40,
            "batch_size": 16,
            "num_epoch": 2,
            "target_kl": 0.05,
            "learning_rate_schedule": "adaptive",
        },
        {"normalize": True},
        normalize_reward=True,
        max_steps=1000,
    ),
    "a2c": behavior_settings(
        "a2c",
        {"buffer_size": 40, "batch_size": 16, "shared_critic": True},
        {"normalize": True},
        max_steps=1000,
    ),
}


def whole_state(learner: OnPolicyLearner) -> dict:
    network = learner.settings.network_settings
    return {
        **learner.state_dict(),
        "behavior": describe("Test", learner.spec, network, learner.hyper.shared_critic),
    }


def flat(state: object, path: str = "") -> dict[str, object]:
    """Every leaf of nested containers, by its path."""
    if isinstance(state, dict):
        return {k: v for key, child in state.items() for k, v in flat(child, f"{path}/{key}").items()}
    if isinstance(state, list | tuple):
        return {k: v for key, child in enumerate(state) for k, v in flat(child, f"{path}/{key}").items()}
    return {path: state}


def assert_same(one: dict, other: dict) -> None:
    """Equal bit for bit: tensors, numbers and strings alike."""
    found, expected = flat(one), flat(other)
    assert found.keys() == expected.keys()
    for path, value in expected.items():
        same = torch.equal(found[path], value) if isinstance(value, torch.Tensor) else found[path] == value
        assert same, path


def trained_env(masked: bool = True) -> ScriptedEnv:
    return ScriptedEnv({"Test": Behavior(SPEC, crowd(5, 200, 8, interrupted=True), masked)})


@pytest.mark.parametrize("trainer_type", ["ppo", "a2c"])
def test_the_next_updates_after_loading_are_bit_for_bit_the_same(trainer_type, tmp_path):
    env = trained_env()
    learner = make_learner(SPEC, SETTINGS[trainer_type], seed=3)
    drive(env, learner, 30)
    save_state(tmp_path / "here.pt", whole_state(learner))

    loaded = make_learner(SPEC, SETTINGS[trainer_type], seed=4)
    assert not torch.equal(loaded.policy.value_head.weight, learner.policy.value_head.weight)
    restore(loaded, tmp_path / "here.pt")
    assert_same(loaded.state_dict(), learner.state_dict())
    loaded.rollout, loaded.agents = copy.deepcopy((learner.rollout, learner.agents))

    other_env = copy.deepcopy(env)
    updates = drive(env, learner, 30, begin=False)
    assert updates == drive(other_env, loaded, 30, begin=False)
    assert len(updates) >= 3
    for who, actions in env.behaviors["Test"].actions.items():
        for mine, theirs in zip(actions, other_env.behaviors["Test"].actions[who], strict=True):
            assert np.array_equal(mine, theirs)
    assert_same(loaded.state_dict(), learner.state_dict())


def test_saving_does_not_disturb_what_follows(tmp_path):
    quiet, saving = (make_learner(SPEC, SETTINGS["ppo"]) for _ in range(2))
    env, other_env = trained_env(), trained_env()
    env.reset()
    other_env.reset()
    for _ in range(25):
        drive(env, quiet, 1, begin=False)
        drive(other_env, saving, 1, begin=False)
        save_state(tmp_path / "again.pt", whole_state(saving))
    assert_same(quiet.state_dict(), saving.state_dict())


def test_a_loaded_state_is_a_copy(tmp_path):
    learner = make_learner(SPEC, SETTINGS["ppo"])
    state = whole_state(learner)
    save_state(tmp_path / "start.pt", state)
    drive(trained_env(), learner, 30)
    assert not torch.equal(
        load_state(tmp_path / "start.pt")["Policy"]["value_head.weight"], learner.policy.value_head.weight
    )


def test_weights_alone_start_counting_anew(tmp_path):
    learner = make_learner(SPEC, SETTINGS["ppo"])
    drive(trained_env(), learner, 60)
    save_state(tmp_path / "trained.pt", whole_state(learner))
    fresh = make_learner(SPEC, SETTINGS["ppo"], seed=9)
    restore(fresh, tmp_path / "trained.pt", only_weights=True)
    assert fresh.step == 0
    assert fresh.metrics.episodes == 0
    assert_same(fresh.policy.state_dict(), learner.policy.state_dict())
    np.testing.assert_array_equal(fresh.observation_moments.mean, learner.observation_moments.mean)
    untouched = make_learner(SPEC, SETTINGS["ppo"], seed=9)
    assert_same(fresh.optimizer.state_dict(), untouched.optimizer.state_dict())


def test_a_ppo_checkpoint_starts_an_a2c_run_but_is_not_resumed_by_one(tmp_path):
    spec = make_spec((4,), continuous=1)
    save_state(tmp_path / "ppo.pt", whole_state(make_learner(spec, behavior_settings("ppo"))))
    a2c = make_learner(spec, behavior_settings("a2c"))
    restore(a2c, tmp_path / "ppo.pt", only_weights=True)
    with pytest.raises(UserError, match="written by ppo"):
        restore(a2c, tmp_path / "ppo.pt")


@pytest.mark.parametrize(
    ("spec", "network", "parameter"),
    [
        (SPEC, {"hidden_units": 16}, "actor.layers.0"),
        (SPEC, {"num_layers": 2}, "layers"),
        (SPEC, {"normalize": True}, "normalizer"),
        (make_spec((5,), continuous=2, branches=(3, 2)), {}, "actor.layers.0.weight is (8, 4)"),
        (make_spec((4,), continuous=3, branches=(3, 2)), {}, "log_std"),
        (make_spec((4,), continuous=2), {}, "logits_head"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused_by_the_parameter_that_differs(
    spec, network, parameter, tmp_path
):
    path = tmp_path / "other.pt"
    save_state(path, whole_state(make_learner(SPEC, behavior_settings())))
    learner = make_learner(spec, behavior_settings(network=network))
    before = copy.deepcopy(learner.policy.state_dict())
    with pytest.raises(UserError) as caught:
        restore(learner, path)
    assert str(path) in str(caught.value)
    assert parameter in str(caught.value)
    assert "\n" not in str(caught.value)
    assert_same(learner.policy.state_dict(), before)


@pytest.fixture(scope="module")
def good_checkpoint(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "good.pt"
    save_state(path, whole_state(make_learner(SPEC, SETTINGS["ppo"])))
    return path


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 0.999))
def test_a_truncated_checkpoint_is_a_user_error(share, good_checkpoint, tmp_path):
    content = good_checkpoint.read_bytes()
    path = tmp_path / "cut.pt"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"cut\.pt"):
        load_policy(path)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0.0, 0.9999), junk=st.binary(min_size=1, max_size=40))
def test_a_damaged_checkpoint_loads_or_is_a_user_error(place, junk, good_checkpoint, tmp_path):
    content = good_checkpoint.read_bytes()
    path = tmp_path / "damaged.pt"
    start = int(place * len(content))
    path.write_bytes(content[:start] + junk + content[start + len(junk) :])
    learner = make_learner(SPEC, SETTINGS["ppo"])
    try:
        restore(learner, path)
    except UserError as error:
        assert "damaged.pt" in str(error)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "content",
    [[1, 2], {"weights": 1}, {"Policy": {}}, {"Policy": {}, "behavior": {}}, {"Policy": 3, "behavior": 4}],
)
def test_a_file_of_something_else_is_a_user_error(content, tmp_path):
    path = tmp_path / "else.pt"
    torch.save(content, path)
    with pytest.raises(UserError, match=r"else\.pt"):
        load_policy(path)
    with pytest.raises(UserError, match=r"else\.pt"):
        restore(make_learner(SPEC, SETTINGS["ppo"]), path)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"Policy": Evil(), "behavior": {}}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match=r"evil\.pt"):
        load_policy(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "folder" / "file.bin"
    write_atomically(path, lambda stream: stream.write(b"old"))

    def fail(stream):
        stream.write(b"new" * 100_000)
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]

    save_state(path, {"Policy": {}, "behavior": {}})
    good = path.read_bytes()
    with pytest.raises(Exception, match="pickle"):
        save_state(path, {"Policy": torch.zeros(1000), "bad": lambda: None})
    assert path.read_bytes() == good
    assert list(path.parent.iterdir()) == [path]


def export_nothing(path: Path) -> None:
    path.write_bytes(f"model of {path.stem}".encode())


def test_the_newest_checkpoints_are_kept_and_older_ones_deleted(tmp_path):
    keeper = CheckpointKeeper(tmp_path, "Test", keep=3)
    learner = make_learner(SPEC, SETTINGS["ppo"])
    for step in (10, 20, 30, 40, 40, 50):
        learner.step = step
        keeper.save(whole_state(learner), float(step), export_nothing)
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
    learner.step = 60
    later.save(whole_state(learner), None, export_nothing)
    names = {path.name for path in keeper.folder.glob("Test-*.pt")}
    assert names == {"Test-50.pt", "Test-60.pt"}


def end_episodes(learner: OnPolicyLearner, returns: list[float], at_step: int) -> None:
    learner.metrics.add_episodes(np.array(returns), np.ones(len(returns)), None)
    learner.step = at_step
    learner.policy.log_std.data.fill_(at_step)  # so that a saved policy tells when it was saved


def saved_at(folder: Path) -> float:
    return load_state(folder / "Test" / "best.pt")["Policy"]["log_std"][0].item()


def test_best_is_the_policy_with_the_highest_mean_of_a_hundred_episodes_at_a_summary(tmp_path):
    learner = make_learner(SPEC, SETTINGS["ppo"])
    recorder = Recorder(learner, tmp_path, "", {}, resume=False)
    best = tmp_path / "Test" / "best.pt"

    end_episodes(learner, [1000.0] * 99, at_step=100)
    recorder.summarise(1.0)
    assert not best.exists(), "99 episodes are too few"
    end_episodes(learner, [5.0] * 100, at_step=200)
    recorder.summarise(2.0)
    assert saved_at(tmp_path) == 200
    assert recorder.best_return == 5.0
    end_episodes(learner, [4.0] * 100, at_step=300)
    recorder.summarise(3.0)
    assert saved_at(tmp_path) == 200, "worse"
    end_episodes(learner, [6.0] * 90 + [106.0] * 10, at_step=400)
    recorder.summarise(4.0)
    assert saved_at(tmp_path) == 400
    assert recorder.best_return == 16.0

    learner.training = False
    end_episodes(learner, [99.0] * 100, at_step=500)
    recorder.summarise(5.0)
    assert saved_at(tmp_path) == 400, "only training makes a policy better"
    learner.training = True
    status = json.loads(json.dumps(recorder.checkpoint()))
    assert status["best_return"] == 16.0
    assert recorder.close().best_return == 16.0

    # A resumed run does not overwrite a better policy of the run before.
    resumed = Recorder(make_learner(SPEC, SETTINGS["ppo"]), tmp_path, "", status, resume=True)
    assert resumed.best_return == 16.0
    end_episodes(resumed.learner, [15.0] * 100, at_step=600)
    resumed.summarise(1.0)
    assert saved_at(tmp_path) == 400
    end_episodes(resumed.learner, [17.0] * 100, at_step=700)
    resumed.summarise(2.0)
    assert saved_at(tmp_path) == 700
    resumed.close()


def test_a_run_without_a_best_policy_is_resumed(tmp_path):
    learner = make_learner(SPEC, SETTINGS["ppo"])
    recorder = Recorder(learner, tmp_path, "", {}, resume=False)
    end_episodes(learner, [1.0] * 10, at_step=100)
    recorder.summarise(1.0)
    status = json.loads(json.dumps(recorder.checkpoint()))
    assert math.isnan(recorder.close().best_return)
    resumed = Recorder(make_learner(SPEC, SETTINGS["ppo"]), tmp_path, "", status, resume=True)
    end_episodes(resumed.learner, [1.0] * 90, at_step=200)
    resumed.summarise(1.0)
    assert saved_at(tmp_path) == 200, "the ten episodes of the run before count"
    resumed.checkpoint()
    assert resumed.close().best_return == 1.0


def test_checkpoints_are_found_by_name_step_and_folder(tmp_path):
    run = tmp_path / "run"
    keeper = CheckpointKeeper(run, "Test", keep=5)
    learner = make_learner(SPEC, SETTINGS["ppo"])
    for step in (10, 110):
        learner.step = step
        keeper.save(whole_state(learner), None, export_nothing)
    keeper.save_best(whole_state(learner))
    for folder in (run, run / "Test"):
        assert find_checkpoint(folder).name == "checkpoint.pt"
        assert find_checkpoint(folder, "best").name == "best.pt"
        assert find_checkpoint(folder, "10").name == "Test-10.pt"
    assert load_policy(run, "10").step == 10
    with pytest.raises(UserError, match="holds no checkpoint '11'"):
        find_checkpoint(run, "11")
    with pytest.raises(UserError, match="no such run folder"):
        find_checkpoint(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no such checkpoint"):
        load_policy(tmp_path / "nothing.pt")
    CheckpointKeeper(run, "Other", keep=5).save(whole_state(learner), None, export_nothing)
    with pytest.raises(UserError, match=r"several behaviors \(Other, Test\)"):
        find_checkpoint(run)
    assert find_checkpoint(run / "Other").parent.name == "Other"


def test_status_that_is_not_json_is_a_user_error(tmp_path):
    path = tmp_path / "training_status.json"
    assert read_status(path) == {}
    path.write_text('{"Test": ')
    with pytest.raises(UserError, match="not valid JSON"):
        read_status(path)
