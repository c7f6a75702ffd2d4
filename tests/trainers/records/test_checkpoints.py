"""A checkpoint goes on exactly where it was, and nothing that happens to its file goes unnoticed."""

import copy
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from learner_tools import (
    assert_goes_on_the_same,
    assert_same,
    behavior_settings,
    drive,
    hand_over,
    make_learner,
    whole_state,
)
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from gym_adapters.files import write_atomically, write_text
from tests.refusals import refused
from trainers import UserError, load_policy
from trainers.records.checkpoint import load_state, save_state
from trainers.training.resuming import restore
from trainers.training.starting import start_from

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
    "a2c, natural gradient": behavior_settings(
        "a2c",
        {"buffer_size": 40, "batch_size": 16, "natural_gradient_kl": 0.02, "critic_num_epoch": 2},
        {"normalize": True},
        max_steps=1000,
    ),
}


def trained_env(masked: bool = True) -> ScriptedEnv:
    return ScriptedEnv({"Test": Behavior(SPEC, crowd(5, 200, 8, interrupted=True), masked)})


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_next_updates_after_loading_are_bit_for_bit_the_same(kind, tmp_path):
    env = trained_env()
    learner = make_learner(SPEC, SETTINGS[kind], seed=3)
    drive(env, learner, 30)
    loaded = make_learner(SPEC, SETTINGS[kind], seed=4)
    assert not torch.equal(loaded.policy.value_head.weight, learner.policy.value_head.weight)
    hand_over(learner, loaded, tmp_path)
    loaded.rollout = copy.deepcopy(learner.rollout)
    assert_goes_on_the_same(env, learner, loaded, least=3)


@pytest.mark.parametrize(
    ("kind", "was", "now", "named"),
    [
        ("a2c", ({"natural_gradient_kl": 0.02}, {}), ({}, {}), "natural_gradient_kl"),
        ("a2c", ({}, {}), ({"natural_gradient_kl": 0.02}, {}), "natural_gradient_kl"),
        ("ppo", ({"shared_critic": True}, {}), ({}, {}), "shared_critic"),
        ("ppo", ({}, {}), ({}, {"final_log_std": -1.0}), "final_log_std"),
        ("ppo", ({}, {"final_log_std": -1.0}), ({}, {}), "final_log_std"),
    ],
)
def test_a_key_that_changes_which_weights_are_learned_is_named_and_the_policy_can_be_used(
    kind, was, now, named, tmp_path
):
    before, after = (make_learner(SPEC, behavior_settings(kind, *keys)) for keys in (was, now))
    save_state(tmp_path / "here.pt", whole_state(before))
    with pytest.raises(UserError, match=rf"here\.pt: .*set {named} as it was, or use --initialize-from"):
        restore(after, tmp_path / "here.pt")
    start_from(after, tmp_path / "here.pt")
    assert_same(after.policy.state_dict(), before.policy.state_dict())


@pytest.mark.parametrize("load", [restore, start_from])
def test_a_shared_body_does_not_take_the_place_of_two(load, tmp_path):
    before, after = (
        make_learner(SPEC, behavior_settings("ppo", {"shared_critic": one})) for one in (False, True)
    )
    save_state(tmp_path / "here.pt", whole_state(before))
    with pytest.raises(
        UserError, match=r"here\.pt: trained with hyperparameters\.shared_critic false; this run has"
    ):
        load(after, tmp_path / "here.pt")


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
    start_from(fresh, tmp_path / "trained.pt")
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
    start_from(a2c, tmp_path / "ppo.pt")
    with pytest.raises(UserError, match="written by ppo"):
        restore(a2c, tmp_path / "ppo.pt")


@pytest.mark.parametrize(
    ("spec", "network", "differs"),
    [
        (SPEC, {"hidden_units": 16}, "network_settings.hidden_units is 8 there and 16"),
        (SPEC, {"num_layers": 2}, "network_settings.num_layers"),
        (SPEC, {"normalize": True}, "network_settings.normalize"),
        (make_spec((5,), continuous=2, branches=(3, 2)), {}, "observations are (4,) there and (5,)"),
        (make_spec((4,), continuous=3, branches=(3, 2)), {}, "actions are"),
        (make_spec((4,), continuous=2), {}, "actions are"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused_by_what_differs(spec, network, differs, tmp_path):
    path = tmp_path / "other.pt"
    save_state(path, whole_state(make_learner(SPEC, behavior_settings())))
    learner = make_learner(spec, behavior_settings(network=network))
    before = copy.deepcopy(learner.policy.state_dict())
    refusal = refused(restore, learner, path)
    assert str(path) in refusal
    assert differs in refusal
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


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_says_who_may_read_a_file(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "file", "new")
        write_text(tmp_path / "file", "written again")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


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
    with pytest.raises(UserError, match=r"file\.bin\.bad is a builtins\.function"):
        save_state(path, {"Policy": torch.zeros(1000), "bad": lambda: None})
    assert path.read_bytes() == good
    assert list(path.parent.iterdir()) == [path]
