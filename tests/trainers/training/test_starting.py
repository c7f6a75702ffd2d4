"""Starting from the weights of a run that had other reward signals: each value stays with its signal."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from learner_tools import SMALL_NETWORK, assert_same, behavior_settings, drive, make_learner
from mlagents_envs.base_env import BehaviorSpec
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from trainers import UserError, train
from trainers.algorithms.learner import Learner
from trainers.config import load_settings
from trainers.records.checkpoint import save_state
from trainers.training.resuming import restore
from trainers.training.starting import start_from

RND = {"rnd": {"network_settings": SMALL_NETWORK}}
CURIOSITY = {"curiosity": {"network_settings": SMALL_NETWORK}}
EXTRINSIC: dict[str, Any] = {"extrinsic": {}}
CONTINUOUS, HYBRID = make_spec((4,), continuous=2), make_spec((4,), continuous=1, branches=(3, 2))


def learner_of(kind: str, spec: BehaviorSpec, signals: dict[str, Any], seed: int) -> Learner:
    replay = {"buffer_size": 200, "steps_per_update": 5} if kind == "sac" else {"buffer_size": 20}
    content = {
        "trainer_type": kind,
        "hyperparameters": {"batch_size": 10, **replay},
        "network_settings": SMALL_NETWORK,
        "reward_signals": signals,
    }
    return make_learner(spec, load_settings({"behaviors": {"Test": content}}).behavior("Test"), seed)


def values(learner: Learner) -> dict[str, dict[str, torch.Tensor]]:
    """The parameters of the values of each reward signal."""
    names = [signal.name for signal in learner.signals]
    state = learner.policy.state_dict()
    found: dict[str, dict[str, torch.Tensor]] = {name: {} for name in names}
    for key, dimension in learner.policy.value_dimensions().items():
        for name, part in zip(names, state[key].chunk(len(names), dimension), strict=True):
            found[name][key] = part.clone()
    return found


@pytest.mark.parametrize("now", [EXTRINSIC, {**EXTRINSIC, **CURIOSITY, **RND}, {**EXTRINSIC, **CURIOSITY}])
@pytest.mark.parametrize(
    ("kind", "spec"),
    [("ppo", HYBRID), ("a2c", CONTINUOUS), ("poca", HYBRID), ("sac", CONTINUOUS), ("sac", HYBRID)],
)
def test_a_value_stays_with_its_signal_and_new_ones_begin_anew(kind, spec, now, tmp_path):
    source = learner_of(kind, spec, {**EXTRINSIC, **RND}, 3)
    drive(ScriptedEnv({"Test": Behavior(spec, crowd(4, 60, 5))}), source, 40)
    save_state(tmp_path / "here.pt", {**source.state_dict(), "behavior": source.description()})
    learner = learner_of(kind, spec, now, 4)
    fresh, learned = values(learner), values(source)
    assert learned["extrinsic"].keys() == learner.policy.value_dimensions().keys()
    notes = start_from(learner, tmp_path / "here.pt")
    assert notes == (["values of the reward signals curiosity begin anew"] if "curiosity" in now else [])
    for name, parameters in values(learner).items():
        assert_same(parameters, learned.get(name, fresh[name]))
    valued = learner.policy.value_dimensions()
    others = {name: tensor for name, tensor in source.policy.state_dict().items() if name not in valued}
    assert_same({name: learner.policy.state_dict()[name] for name in others}, others)


def test_a_kept_policy_names_its_signals_though_it_has_not_their_states(tmp_path):
    source = learner_of("ppo", CONTINUOUS, {**EXTRINSIC, **RND}, 3)
    state = {**source.state_dict(), "behavior": source.description()}
    state["reward_signals"] = {"extrinsic": state["reward_signals"]["extrinsic"]}
    save_state(tmp_path / "kept.pt", state)
    learner = learner_of("ppo", CONTINUOUS, {**EXTRINSIC, **CURIOSITY}, 4)
    fresh = values(learner)
    start_from(learner, tmp_path / "kept.pt")
    assert_same(values(learner)["extrinsic"], values(source)["extrinsic"])
    assert_same(values(learner)["curiosity"], fresh["curiosity"])


@pytest.mark.parametrize("names", [["extrinsic", "rnd", "gail"], {1: {}, 2: {}}, None, "extrinsic"])
def test_names_that_do_not_fit_leave_the_values_as_they_are(names, tmp_path):
    source = learner_of("ppo", CONTINUOUS, {**EXTRINSIC, **RND}, 3)
    behavior = {**source.description(), "reward_signals": names}
    save_state(tmp_path / "here.pt", {**source.state_dict(), "behavior": behavior})
    learner = learner_of("ppo", CONTINUOUS, {**EXTRINSIC, **CURIOSITY}, 4)
    assert start_from(learner, tmp_path / "here.pt") == []
    assert_same(dict(learner.policy.state_dict()), dict(source.policy.state_dict()))


def test_another_network_is_still_refused(tmp_path):
    source = learner_of("ppo", CONTINUOUS, {**EXTRINSIC, **RND}, 3)
    save_state(tmp_path / "here.pt", {**source.state_dict(), "behavior": source.description()})
    with pytest.raises(UserError, match="a checkpoint of another network"):
        start_from(learner_of("ppo", HYBRID, EXTRINSIC, 3), tmp_path / "here.pt")
    with pytest.raises(UserError, match=r"value_head\.bias is \(2,\), this run has \(1,\)"):
        restore(learner_of("ppo", CONTINUOUS, EXTRINSIC, 3), tmp_path / "here.pt")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("num_layers", 3, "num_layers is 1 there and 3 in this run"),
        ("hidden_units", 16, "hidden_units is 8 there and 16 in this run"),
        ("normalize", True, "normalize is false there and true in this run"),
        ("memory", {"memory_size": 4}, "memory.memory_size is none there and 4 in this run"),
    ],
)
@pytest.mark.parametrize("take", [start_from, restore])
def test_another_network_is_told_by_the_key_that_differs(key, value, told, take, tmp_path):
    network = {"hidden_units": 8, "num_layers": 1, "normalize": False}
    source = make_learner(CONTINUOUS, behavior_settings("ppo", network=network))
    save_state(tmp_path / "here.pt", {**source.state_dict(), "behavior": source.description()})
    learner = make_learner(CONTINUOUS, behavior_settings("ppo", network={**network, key: value}))
    with pytest.raises(UserError, match=f"another network: network_settings.{told};"):
        take(learner, tmp_path / "here.pt")


@pytest.mark.parametrize("take", [start_from, restore])
def test_another_task_is_told_by_what_the_agents_see_and_do(take, tmp_path):
    source = make_learner(make_spec((3,), continuous=1), behavior_settings("ppo"))
    save_state(tmp_path / "here.pt", {**source.state_dict(), "behavior": source.description()})
    told = (
        "another network: observations are (3,) there and (5,) in this run, actions are 1 continuous action there and "
        "2 discrete actions in this run;"
    )
    with pytest.raises(UserError, match=re.escape(told)):
        take(make_learner(make_spec((5,), branches=(2,)), behavior_settings("ppo")), tmp_path / "here.pt")


@pytest.mark.parametrize(("kind", "spec"), [("ppo", HYBRID), ("poca", HYBRID), ("sac", CONTINUOUS)])
def test_no_run_is_resumed_whose_values_are_those_of_other_signals(kind, spec, tmp_path):
    source = learner_of(kind, spec, {**EXTRINSIC, **RND}, 3)
    save_state(tmp_path / "here.pt", {**source.state_dict(), "behavior": source.description()})
    told = r"values are those of the reward signals extrinsic, rnd, this run has extrinsic, curiosity; set reward_sig"
    learner = learner_of(kind, spec, {**EXTRINSIC, **CURIOSITY}, 4)
    with pytest.raises(UserError, match=told):
        restore(learner, tmp_path / "here.pt")
    restore(learner_of(kind, spec, {**RND, **EXTRINSIC}, 4), tmp_path / "here.pt")


def test_a_q_network_goes_on_with_other_signals_since_their_rewards_are_summed(tmp_path):
    spec = make_spec((4,), branches=(3,))
    source = learner_of("pqn", spec, {**EXTRINSIC, **RND}, 3)
    save_state(tmp_path / "here.pt", {**source.state_dict(), "behavior": source.description()})
    restore(learner_of("pqn", spec, {**EXTRINSIC, **CURIOSITY}, 4), tmp_path / "here.pt")


def test_a_run_goes_on_without_its_second_signal_or_with_a_new_one(tmp_path: Path, capfd):
    """As people do who pretrain with curiosity or by imitation, and then train for the reward alone."""

    def options(run_id: str, signals: dict[str, Any], **start: Any) -> dict[str, Any]:
        content = {
            "trainer_type": "ppo",
            "max_steps": 200,
            "hyperparameters": {"batch_size": 32, "buffer_size": 64},
            "network_settings": SMALL_NETWORK,
            "reward_signals": signals,
        }
        where = {"run_id": run_id, "results_dir": str(tmp_path), **start}
        return {"behaviors": {"Test": content}, "checkpoint_settings": where}

    def env() -> ScriptedEnv:
        return ScriptedEnv({"Test": Behavior(HYBRID, crowd(4, 300, 5))})

    train(env(), options("first", {**EXTRINSIC, **RND}))
    outcome = train(env(), options("second", EXTRINSIC, initialize_from="first"))["Test"]
    assert outcome.steps >= 200
    capfd.readouterr()
    train(env(), options("third", {**EXTRINSIC, **CURIOSITY}, initialize_from="second"))
    assert "Test: values of the reward signals curiosity begin anew" in "".join(capfd.readouterr())


@pytest.mark.parametrize("before", [{}, {"initial_log_std": 0.4, "final_log_std": -2.0}], ids=str)
def test_a_scheduled_deviation_begins_with_the_run_that_starts(
    before: dict[str, Any], tmp_path: Path
) -> None:
    """The deviation of the run before is the end of another schedule, or one that it had learned."""
    settings = behavior_settings("ppo", {"buffer_size": 20, "batch_size": 10}, before, max_steps=100)
    source = make_learner(CONTINUOUS, settings, 3)
    drive(ScriptedEnv({"Test": Behavior(CONTINUOUS, crowd(4, 60, 5))}), source, 40)
    save_state(tmp_path / "here.pt", {**source.state_dict(), "behavior": source.description()})
    schedule = {"initial_log_std": 0.4, "final_log_std": -1.0}
    learner = make_learner(CONTINUOUS, behavior_settings("ppo", network=schedule), 4)
    start_from(learner, tmp_path / "here.pt")
    assert learner.policy.log_std.tolist() == pytest.approx([0.4, 0.4])
