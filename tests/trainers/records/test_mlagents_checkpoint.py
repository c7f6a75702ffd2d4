"""Checkpoints of `mlagents-learn`: a run that starts from one has its policy, beside an independent reference."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learner_tools import make_learner
from run_tools import train_small
from scripted_env import make_spec

from trainers import UserError
from trainers.config import load_settings
from trainers.records.checkpoint import load_state, save_state
from trainers.training.starting import start_from

UNITS, HALF, ROWS = 8, 3, 40
BODY = "network_body._body_endoder.seq_layers."
CELL = "network_body.lstm.lstm."
SIZES = (3, 2)
"""Two vector observations."""


def theirs(
    seed: int = 0, memory: bool = False, critic: bool = True, normalize: bool = True
) -> dict[str, Any]:
    """A checkpoint with the names and shapes of mlagents 1.1.0: one continuous action, branches of 2 and 3."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.5

    def network() -> dict[str, torch.Tensor]:
        found = {
            f"{BODY}0.weight": drawn(UNITS, sum(SIZES)),
            f"{BODY}0.bias": drawn(UNITS),
            f"{BODY}2.weight": drawn(UNITS, UNITS),
            f"{BODY}2.bias": drawn(UNITS),
        }
        if memory:
            found |= {
                f"{CELL}weight_ih_l0": drawn(4 * HALF, UNITS),
                f"{CELL}weight_hh_l0": drawn(4 * HALF, HALF),
                f"{CELL}bias_ih_l0": drawn(4 * HALF),
                f"{CELL}bias_hh_l0": drawn(4 * HALF),
            }
        return found

    moments = {
        f"{prefix}processors.{index}.normalizer.{name}": value
        for index, size in enumerate(SIZES)
        for name, value in {
            "normalization_steps": torch.tensor(50, dtype=torch.int32),
            "running_mean": drawn(size) + 1.0,
            "running_variance": 50.0 * (drawn(size) ** 2 + 0.5),
        }.items()
        for prefix in ("network_body.observation_encoder.", "network_body.")
        if normalize
    }
    features = HALF if memory else UNITS
    policy = {
        "version_number": torch.tensor([3.0]),
        "is_continuous_int_deprecated": torch.tensor([0]),
        "continuous_act_size_vector": torch.tensor([1]),
        "discrete_act_size_vector": torch.tensor([[2, 3]]),
        "act_size_vector_deprecated": torch.tensor([5]),
        "memory_size_vector": torch.tensor([2 * HALF * memory]),
        **moments,
        **network(),
        "action_model._continuous_distribution.log_sigma": drawn(1, 1),
        "action_model._continuous_distribution.mu.weight": drawn(1, features),
        "action_model._continuous_distribution.mu.bias": drawn(1),
        "action_model._discrete_distribution.branches.0.weight": drawn(2, features),
        "action_model._discrete_distribution.branches.0.bias": drawn(2),
        "action_model._discrete_distribution.branches.1.weight": drawn(3, features),
        "action_model._discrete_distribution.branches.1.bias": drawn(3),
    }
    heads = {
        f"value_heads.value_heads.{signal}.{name}": value
        for signal in ("curiosity", "extrinsic")
        for name, value in (("weight", drawn(1, features)), ("bias", drawn(1)))
    }
    steps = {"_GlobalSteps__global_step": torch.tensor([512])}
    state = {
        "Policy": policy,
        "global_step": steps,
        "Optimizer:value_optimizer": {"state": {}, "param_groups": []},
    }
    return {**state, "Optimizer:critic": {**moments, **network(), **heads}} if critic else state


def features_of(
    part: dict[str, torch.Tensor], observations: list[np.ndarray], memory: torch.Tensor | None
) -> torch.Tensor:
    """What their body makes of observations: normalised, two layers with swish, one step of the LSTM."""
    seen = []
    for index, values in enumerate(observations):
        name = f"network_body.processors.{index}.normalizer."
        values = torch.from_numpy(values)
        if f"{name}running_mean" in part:
            variance = part[f"{name}running_variance"] / part[f"{name}normalization_steps"]
            values = ((values - part[f"{name}running_mean"]) / variance.sqrt()).clamp(-5, 5)
        seen.append(values)
    hidden = torch.cat(seen, 1)
    for layer in (0, 2):
        hidden = hidden @ part[f"{BODY}{layer}.weight"].T + part[f"{BODY}{layer}.bias"]
        hidden = hidden * torch.sigmoid(hidden)
    if memory is not None:
        cell = torch.nn.LSTMCell(UNITS, HALF)
        cell.load_state_dict(
            {name: part[f"{CELL}{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        )
        hidden = cell(hidden, (memory[:, :HALF], memory[:, HALF:]))[0].detach()
    return hidden


def learner(memory: bool = False, **network: Any) -> Any:
    """A learner with three reward signals, one of which the file does not have."""
    keys = {"hidden_units": UNITS, "num_layers": 2, "normalize": True, **network}
    if memory:
        keys["memory"] = {"memory_size": 2 * HALF, "sequence_length": 4}
    signals = {"extrinsic": {}, "curiosity": {}, "rnd": {}}
    block = {"trainer_type": "ppo", "network_settings": keys, "reward_signals": signals}
    settings = load_settings({"behaviors": {"Test": block}}).behavior("Test")
    return make_learner(make_spec((SIZES[0],), (SIZES[1],), continuous=1, branches=(2, 3)), settings)


@pytest.mark.parametrize("memory", [False, True], ids=["plain", "memory"])
def test_policy_values_and_moments_are_theirs(memory: bool, tmp_path: Path) -> None:
    state = theirs(memory=memory)
    save_state(tmp_path / "checkpoint.pt", state)
    ours = learner(memory)
    before = ours.policy.value_head.weight.detach().clone()
    start_from(ours, tmp_path / "checkpoint.pt")
    rng = np.random.default_rng(1)
    observations = [rng.normal(1, 2, (ROWS, size)).astype(np.float32) for size in SIZES]
    remembered = torch.randn(ROWS, 2 * HALF) if memory else None
    part = state["Policy"]
    hidden = features_of(part, observations, remembered)
    with torch.no_grad():
        inputs = ours.policy.prepare([torch.from_numpy(values) for values in observations])
        if remembered is None:
            found = ours.policy.distribution(inputs, None)
        else:
            found, _ = ours.policy.recall(inputs, None, remembered)
        values = ours.policy.value(inputs)
    head = "action_model._continuous_distribution."
    torch.testing.assert_close(
        found.mean, hidden @ part[f"{head}mu.weight"].T + part[f"{head}mu.bias"], atol=1e-6, rtol=1e-6
    )
    torch.testing.assert_close(found.log_std.detach(), part[f"{head}log_sigma"][0])
    for index, log_probs in enumerate(found.log_probs):
        branch = f"action_model._discrete_distribution.branches.{index}."
        logits = hidden @ part[f"{branch}weight"].T + part[f"{branch}bias"]
        torch.testing.assert_close(log_probs, logits.log_softmax(1), atol=2e-6, rtol=1e-6)
    critic = state["Optimizer:critic"]
    seen = features_of(critic, observations, torch.zeros(ROWS, 2 * HALF) if memory else None)
    for index, signal in enumerate(signal.name for signal in ours.signals):
        if signal == "rnd":
            torch.testing.assert_close(ours.policy.value_head.weight.detach()[index], before[index])
            continue
        name = f"value_heads.value_heads.{signal}."
        expected = seen @ critic[f"{name}weight"].T + critic[f"{name}bias"]
        torch.testing.assert_close(values[:, index : index + 1], expected, atol=2e-6, rtol=1e-6)
    assert ours.observation_moments.count == 50.0
    assert ours.step == 0


def test_without_a_critic_the_new_one_stays(tmp_path: Path) -> None:
    save_state(tmp_path / "checkpoint.pt", theirs(critic=False))
    ours = learner()
    before = {name: tensor.clone() for name, tensor in ours.policy.critic.state_dict().items()}
    start_from(ours, tmp_path / "checkpoint.pt")
    assert all(torch.equal(tensor, before[name]) for name, tensor in ours.policy.critic.state_dict().items())


@pytest.mark.parametrize(
    ("change", "network", "told"),
    [
        (
            {"Policy": {"network_body.processors.0.conv_layers.0.weight": torch.zeros(1)}},
            {},
            "observations that are",
        ),
        (
            {"Policy": {"action_model._continuous_distribution.log_sigma.weight": torch.zeros(1)}},
            {},
            "log_sigma.weight",
        ),
        ({"Policy": {f"{BODY}0.weight": torch.zeros(9, 9)}}, {}, r"actor\.layers\.0\.weight is \(9, 9\)"),
        ({"Policy": {f"{BODY}0.weight": torch.full((UNITS, 5), torch.nan)}}, {}, "not finite"),
        ({"Policy": {f"{BODY}0.weight": "text"}}, {}, "Policy: expected tensors"),
        ({}, {"normalize": False}, "trained with network_settings.normalize true"),
        ({}, {"activation": "tanh"}, "network_settings.activation swish; this run has tanh"),
        ({}, {"hidden_units": 9}, r"is \(8,\), this run has \(9,\)"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, network: dict, told: str, tmp_path: Path) -> None:
    state = theirs()
    for part, tensors in change.items():
        state[part] |= tensors
    path = tmp_path / "checkpoint.pt"
    save_state(path, state)
    ours = learner(**network)
    before = ours.policy.state_dict()["actor.layers.0.weight"].clone()
    with pytest.raises(UserError, match=told) as caught:
        start_from(ours, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert torch.equal(ours.policy.state_dict()["actor.layers.0.weight"], before)


def test_a_run_starts_from_their_results_folder(tmp_path: Path) -> None:
    state = theirs(normalize=False)
    part = state["Policy"]
    part[f"{BODY}0.weight"] = part[f"{BODY}0.weight"][:, :4].clone()
    state["Optimizer:critic"][f"{BODY}0.weight"] = state["Optimizer:critic"][f"{BODY}0.weight"][:, :4].clone()
    for name in ("weight", "bias"):
        del part[f"action_model._discrete_distribution.branches.1.{name}"]
    (tmp_path / "theirs" / "Task").mkdir(parents=True)
    save_state(tmp_path / "theirs" / "Task" / "checkpoint.pt", state)
    behavior = {
        "max_steps": 16,
        "hyperparameters": {"batch_size": 64, "buffer_size": 256},
        "network_settings": {"hidden_units": UNITS, "num_layers": 2},
    }
    outcome = train_small(tmp_path, "ours", behavior=behavior, initialize_from="theirs")
    saved = load_state(outcome.folder / "checkpoint.pt")["Policy"]
    torch.testing.assert_close(saved["actor.layers.0.weight"], part[f"{BODY}0.weight"])


def test_another_algorithm_cannot_start_from_it(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "Task").mkdir(parents=True)
    save_state(tmp_path / "theirs" / "Task" / "checkpoint.pt", theirs())
    behavior = {"trainer_type": "sac", "hyperparameters": {}}
    with pytest.raises(UserError, match="a run with trainer_type sac cannot start from it"):
        train_small(tmp_path, "ours", behavior=behavior, initialize_from="theirs")
