"""Checkpoints that are whole files and hold wrong values."""

import copy

import pytest
import torch
from learner_tools import assert_same, behavior_settings, drive, make_learner, whole_state
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from gym_adapters.errors import UserError
from tests.refusals import refused
from trainers import load_policy
from trainers.records.checkpoint import save_state
from trainers.training.resuming import restore

SPEC = make_spec((4,), continuous=2, branches=(3,))
SETTINGS = {
    "ppo": behavior_settings("ppo", {"buffer_size": 40, "batch_size": 16}, {"normalize": True}),
    "dqn": behavior_settings("dqn", {"buffer_size": 100, "batch_size": 8, "buffer_init_steps": 8}),
}
SPECS = {"ppo": SPEC, "dqn": make_spec((4,), branches=(3,))}


@pytest.fixture(scope="module")
def trained() -> dict[str, dict]:
    """The state of a trained learner of each kind. Not to be changed."""
    states = {}
    for kind, settings in SETTINGS.items():
        learner = make_learner(SPECS[kind], settings)
        drive(ScriptedEnv({"Test": Behavior(SPECS[kind], crowd(5, 60, 8))}), learner, 40)
        states[kind] = whole_state(learner)
    return states


def put(state: dict, path: str, value: object) -> dict:
    changed = copy.deepcopy(state)
    place, *parts = changed, *path.split("/")
    for part in parts[:-1]:
        place = place[int(part) if part.isdecimal() else part]
    last = int(parts[-1]) if parts[-1].isdecimal() else parts[-1]
    place[last] = value(place[last]) if callable(value) else value
    return changed


def with_nan(tensor: torch.Tensor) -> torch.Tensor:
    changed = tensor.clone()
    changed.view(-1)[0] = torch.nan
    return changed


@pytest.mark.parametrize(
    ("kind", "path", "value", "named"),
    [
        ("ppo", "global_step", "400", "global_step"),
        ("ppo", "global_step", -4, "global_step"),
        ("ppo", "global_step", 10**30, "global_step"),
        ("ppo", "trainer_type", 3, "trainer_type"),
        ("ppo", "behavior/name", 5, "behavior.name"),
        ("ppo", "behavior/name", "Other", "written by the behavior Other"),
        ("ppo", "behavior/observations/0/shape", "4", "shape"),
        ("ppo", "Policy/value_head.weight", with_nan, "not finite"),
        ("ppo", "Policy/value_head.weight", torch.Tensor.double, "float64"),
        ("ppo", "Policy/normalizer.std", torch.zeros_like, "normalizer.std"),
        ("ppo", "Optimizer:value_optimizer/scale", 0.0, "scale"),
        ("ppo", "Optimizer:value_optimizer/adam/state/0/exp_avg", lambda moment: moment[:-1], "moments of"),
        ("ppo", "Optimizer:value_optimizer/adam/state/0/exp_avg_sq", lambda square: square - 1, "negative"),
        ("ppo", "Optimizer:value_optimizer/adam/param_groups/0/lr", float("nan"), "learning rates"),
        ("ppo", "observation_moments/mean", lambda mean: mean[:-1], "observation_moments.mean"),
        ("ppo", "observation_moments/variance", torch.neg, "negative variance"),
        ("ppo", "reward_signals/extrinsic", None, "reward_signals.extrinsic"),
        ("ppo", "recent_returns", ["high"], "recent_returns"),
        ("ppo", "episodes", 1.5, "episodes"),
        ("ppo", "generator", torch.Tensor.float, "generator"),
        ("dqn", "Optimizer:critic/log_std", 1.0, "Optimizer:critic"),
        ("dqn", "learned_until", -1e18, "learned_until"),
        ("dqn", "learned_until", float("nan"), "learned_until"),
        ("dqn", "exploration/raises", "3", "exploration.raises"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_it_and_nothing_is_learned_from_it(
    kind, path, value, named, trained, tmp_path
):
    file = tmp_path / "wrong.pt"
    if path == "Optimizer:critic/log_std":
        path = f"Optimizer:critic/{next(iter(trained[kind]['Optimizer:critic']))}"
    save_state(file, put(trained[kind], path, value))
    message = refused(restore, make_learner(SPECS[kind], SETTINGS[kind]), file)
    assert str(file) in message
    assert named in message
    assert "\n" not in message


def test_of_the_optimisers_settings_only_the_learning_rates_come_from_the_file(trained, tmp_path):
    state = trained["ppo"]
    for path, value in {"maximize": True, "eps": -1.0, "betas": (2.0, 2.0), "weight_decay": 9.0}.items():
        state = put(state, f"Optimizer:value_optimizer/adam/param_groups/0/{path}", value)
    save_state(tmp_path / "here.pt", state)
    learner = make_learner(SPECS["ppo"], SETTINGS["ppo"])
    restore(learner, tmp_path / "here.pt")
    assert_same(learner.optimizer.state_dict(), trained["ppo"]["Optimizer:value_optimizer"])


def test_a_policy_with_weights_that_are_not_finite_does_not_act(trained, tmp_path):
    save_state(tmp_path / "here.pt", put(trained["ppo"], "Policy/mean_head.weight", with_nan))
    with pytest.raises(UserError, match=r"here\.pt: .*Policy.mean_head.weight"):
        load_policy(tmp_path / "here.pt")
