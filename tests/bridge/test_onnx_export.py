"""Exported models under onnxruntime: the same actions as the policy, under the names that Unity reads."""

import itertools
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mlagents_envs.base_env import (
    BehaviorSpec,
)

from bridge.onnx_check import check_file
from bridge.onnx_export import export_policy, export_run, main
from tests.trainers import scripted_env
from trainers.config import NetworkSettings
from trainers.config.network import MemorySettings
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.policy_network import PolicyNetwork
from trainers.networks.soft_actor_critic import SoftActorCritic
from trainers.records.checkpoint import save_state

BATCH = 16
VECTOR, IMAGE = [(5,)], [(3, 36, 40)]
SETTINGS = {
    "plain": NetworkSettings(hidden_units=16),
    "normalised": NetworkSettings(hidden_units=16, normalize=True, layer_norm=True, activation="elu"),
    "nature": NetworkSettings(hidden_units=16, vis_encode_type="nature_cnn"),
    "resnet": NetworkSettings(hidden_units=16, vis_encode_type="resnet", activation="tanh"),
    "flat": NetworkSettings(hidden_units=16, vis_encode_type="fully_connected", activation="relu"),
}
CASES = [
    (VECTOR, (3, ()), "plain", False),
    (VECTOR, (0, (3, 2)), "plain", True),
    ([(4,), (2,)], (2, (4,)), "normalised", False),
    (IMAGE, (0, (5,)), "nature", True),
    ([(4,), (3, 20, 24), (2,), (1, 22, 20)], (2, (3, 2)), "plain", False),
    (IMAGE, (2, ()), "resnet", False),
    (IMAGE, (1, ()), "flat", False),
    ([(4, 3)], (2, ()), "plain", False),
    ([(4, 3), (5,), (3, 20, 24), (6, 2)], (2, (3, 2)), "normalised", True),
]


def make_spec(shapes: list[tuple[int, ...]], actions: tuple[int, tuple[int, ...]]) -> BehaviorSpec:
    return scripted_env.make_spec(*shapes, continuous=actions[0], branches=actions[1])


def shake(policy: PolicyNetwork, by: float) -> None:
    """Move every weight, since some begin at 0."""
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.randn_like(parameter) * by)


def make_policy(spec: BehaviorSpec, settings: NetworkSettings, shared: bool = False) -> ActorCritic:
    torch.manual_seed(0)
    policy = ActorCritic(spec, settings, shared)
    shake(policy, 0.1)
    with torch.no_grad():
        if policy.normalizer is not None:
            policy.normalizer.mean.normal_()
            policy.normalizer.std.uniform_(0.5, 2)
    return policy


def make_soft_policy(spec: BehaviorSpec, settings: NetworkSettings) -> SoftActorCritic:
    torch.manual_seed(0)
    policy = SoftActorCritic(spec, settings)
    shake(policy, 0.03)
    return policy


def feed(spec: BehaviorSpec, batch: int = BATCH, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = {
        f"obs_{index}": (
            rng.random((batch, *observation.shape))
            if len(observation.shape) == 3
            else rng.normal(0, 3, (batch, *observation.shape))
        ).astype(np.float32)
        for index, observation in enumerate(spec.observation_specs)
    }
    for values in inputs.values():
        if values.ndim == 3:  # entities: from none to all of them are there
            values[np.arange(values.shape[1]) >= np.arange(batch)[:, None]] = 0
    branches = spec.action_spec.discrete_branches
    if branches:
        masks = [rng.random((batch, size)) < 0.6 for size in branches]
        for mask in masks:
            mask[~mask.any(1), 0] = True
        inputs["action_masks"] = np.concatenate(masks, axis=1).astype(np.float32)
    return inputs


def run(path: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


@pytest.mark.parametrize("soft", [False, True], ids=["ppo", "sac"])
@pytest.mark.parametrize(("shapes", "actions", "settings", "shared"), CASES)
def test_actions_are_the_policy_s(
    shapes: list[tuple[int, ...]],
    actions: tuple[int, tuple[int, ...]],
    settings: str,
    shared: bool,
    soft: bool,
    tmp_path: Path,
) -> None:
    spec, path, network = make_spec(shapes, actions), tmp_path / "Model.onnx", SETTINGS[settings]
    policy = make_soft_policy(spec, network) if soft else make_policy(spec, network, shared)
    export_policy(policy, spec, path)
    report = check_file(path)
    assert report.refused == report.warnings == []
    inputs = feed(spec)
    outputs = run(path, inputs)
    masks = inputs.get("action_masks")
    observations = [inputs[f"obs_{index}"] for index in range(len(shapes))]
    chosen = policy.choose(observations, None if masks is None else masks < 0.5, True, None)
    expected = policy.to_environment(chosen)
    assert outputs["version_number"].tolist() == [3.0]
    assert outputs["memory_size"].tolist() == [0.0]
    size, branches = actions
    if size:
        np.testing.assert_allclose(
            outputs["deterministic_continuous_actions"], expected.continuous, atol=1e-5
        )
        assert np.abs(expected.continuous).max() > 0.01
        sampled = outputs["continuous_actions"]
        assert sampled.shape == (BATCH, size)
        assert np.abs(sampled).max() <= 1.0
        assert np.abs(sampled - expected.continuous).max() > 0.01
        assert outputs["continuous_action_output_shape"].tolist() == [size]
    if branches:
        np.testing.assert_array_equal(outputs["deterministic_discrete_actions"], expected.discrete)
        assert outputs["discrete_actions"].shape == (BATCH, len(branches))
        assert outputs["discrete_actions"].dtype == np.int64
        assert outputs["discrete_action_output_shape"].tolist() == [list(branches)]
        assert outputs["discrete_action_output_shape"].dtype == np.float32
        assert masks is not None
        starts = np.cumsum((0, *branches[:-1]))
        assert np.take_along_axis(masks, outputs["discrete_actions"] + starts, axis=1).all()


def test_names_shapes_and_versions(tmp_path: Path) -> None:
    spec, path = make_spec([(4,), (3, 20, 24)], (2, (3, 2))), tmp_path / "Model.onnx"
    export_policy(make_policy(spec, SETTINGS["plain"]), spec, path)
    model, report = onnx.load(str(path)), check_file(path)
    assert (model.ir_version, model.opset_import[0].version) == (4, 9)
    assert report.refused == report.warnings == []
    assert report.summary == [
        "obs_0: float [batch, 4]",
        "obs_1: float [batch, 3, 20, 24]",
        "action_masks: float [batch, 5]",
        "version_number: float [1]",
        "memory_size: float [1]",
        "continuous_actions: float [batch, 2]",
        "continuous_action_output_shape: float [1]",
        "deterministic_continuous_actions: float [batch, 2]",
        "discrete_actions: int64 [batch, 2]",
        "discrete_action_output_shape: float [1, 2]",
        "deterministic_discrete_actions: int64 [batch, 2]",
    ]


def test_sampled_actions_have_the_policy_s_distribution(tmp_path: Path) -> None:
    spec, path, count = make_spec(VECTOR, (2, (4,))), tmp_path / "Model.onnx", 20_000
    policy = make_policy(spec, SETTINGS["plain"])
    with torch.no_grad():
        policy.log_std.copy_(torch.tensor([-1.0, -0.5]))
    export_policy(policy, spec, path)
    one = feed(spec, 1)
    one["action_masks"][:] = [[1, 0, 1, 1]]
    outputs = run(path, {name: np.repeat(value, count, axis=0) for name, value in one.items()})
    forbidden = torch.tensor([[False, True, False, False]])
    distribution = policy.distribution(policy.upload([one["obs_0"]]), forbidden)
    sampled = outputs["continuous_actions"] * 3
    deviation = distribution.log_std.exp().detach().numpy()
    np.testing.assert_allclose(sampled.mean(0), distribution.mean[0].detach(), atol=0.02)
    np.testing.assert_allclose(sampled.std(0), deviation, rtol=0.03)
    share = np.bincount(outputs["discrete_actions"][:, 0], minlength=4) / count
    assert share[1] == 0
    np.testing.assert_allclose(share, distribution.log_probs[0].exp().detach()[0], atol=0.02)


def test_samples_of_sac_spread_as_the_policy_s(tmp_path: Path) -> None:
    """By mean and deviation of the squashed samples of one observation."""
    spec, path = make_spec([(5,)], (2, ())), tmp_path / "M.onnx"
    policy = make_soft_policy(spec, SETTINGS["plain"])
    export_policy(policy, spec, path)
    same = np.repeat(feed(spec, 1)["obs_0"], 20_000, axis=0)
    found = run(path, {"obs_0": same})["continuous_actions"]
    generator = torch.Generator().manual_seed(0)
    expected = policy.choose([same], None, False, generator).continuous
    np.testing.assert_allclose(found.mean(0), expected.mean(0), atol=0.02)
    np.testing.assert_allclose(found.std(0), expected.std(0), atol=0.02)


def export_logits(logits: list[float], branches: tuple[int, ...], path: Path) -> ActorCritic:
    """A policy that has these logits whatever it observes, exported to `path`."""
    spec = make_spec(VECTOR, (0, branches))
    policy = make_policy(spec, SETTINGS["plain"])
    with torch.no_grad():
        policy.logits_head.weight.zero_()  # type: ignore[union-attr]
        policy.logits_head.bias.copy_(torch.tensor(logits))  # type: ignore[union-attr]
    export_policy(policy, spec, path)
    return policy


def every_mask(branches: tuple[int, ...]) -> np.ndarray:
    """All masks that allow at least one action of each branch, (masks, sum of branch sizes), 1 = allowed."""
    masks = np.array(list(itertools.product([0, 1], repeat=sum(branches))), np.float32)
    parts = np.split(masks, np.cumsum(branches)[:-1], axis=1)
    return masks[np.all([part.any(1) for part in parts], axis=0)]


def test_a_forbidden_favourite_leaves_the_others_their_odds(tmp_path: Path) -> None:
    path, count = tmp_path / "Model.onnx", 20_000
    export_logits([55.0, -55.0, -54.0], (3,), path)
    masks = np.repeat(np.array([[0, 1, 1]], np.float32), count, axis=0)
    outputs = run(path, {"obs_0": np.zeros((count, 5), np.float32), "action_masks": masks})
    share = np.bincount(outputs["discrete_actions"][:, 0], minlength=3) / count
    odds = np.exp([0.0, 1.0]) / np.exp([0.0, 1.0]).sum()
    np.testing.assert_allclose(share, [0, *odds], atol=0.02)
    assert (outputs["deterministic_discrete_actions"] == 2).all()


@pytest.mark.parametrize("spread", [0.0, 1.0, 110.0, 1000.0])
@pytest.mark.parametrize("branches", [(3,), (3, 2, 4)])
def test_only_allowed_actions_come_out_under_every_mask(
    branches: tuple[int, ...], spread: float, tmp_path: Path
) -> None:
    path, size = tmp_path / "Model.onnx", sum(branches)
    logits = spread * (np.arange(size) * 5 % size / size - 0.5)
    policy = export_logits(logits.tolist(), branches, path)
    masks = np.repeat(every_mask(branches), 20, axis=0)
    observations = np.zeros((len(masks), 5), np.float32)
    outputs = run(path, {"obs_0": observations, "action_masks": masks})
    expected = policy.choose([observations], masks < 0.5, True, None).discrete
    np.testing.assert_array_equal(outputs["deterministic_discrete_actions"], expected)
    for name in ("discrete_actions", "deterministic_discrete_actions"):
        assert outputs[name].min() >= 0
        assert (outputs[name] < branches).all()
        for branch, mask in enumerate(np.split(masks, np.cumsum(branches)[:-1], axis=1)):
            assert np.take_along_axis(mask, outputs[name][:, branch : branch + 1], 1).all()


def save_behavior(folder: Path) -> None:
    """Saves a checkpoint of a behavior of the folder's name."""
    policy = make_policy(make_spec(VECTOR, (2, ())), SETTINGS["plain"])
    state = {
        "trainer_type": "ppo",
        "Policy": policy.state_dict(),
        "behavior": {"name": folder.name, **policy.description()},
        "global_step": 7,
    }
    save_state(folder / "checkpoint.pt", state)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses such names")
def test_a_folder_s_name_cannot_control_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_behavior(tmp_path / "Wal\x1b[2Jker")
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'Walker.onnx'}\n"


def test_command_exports_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("Walker", "Crawler"):
        save_behavior(tmp_path / name)
    assert main([str(tmp_path)]) == 0
    expected = [tmp_path / "Crawler.onnx", tmp_path / "Walker.onnx"]
    assert capsys.readouterr().out.split() == [str(path) for path in expected]
    assert export_run(tmp_path / "Walker" / "checkpoint.pt") == [tmp_path / "Walker" / "checkpoint.onnx"]
    assert main(["--check", str(expected[0])]) == 0
    assert "Unity can run it" in capsys.readouterr().out
    assert main([str(tmp_path / "nothing")]) == 2
    assert "no such run" in capsys.readouterr().err
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    assert main(["--check", str(tmp_path / "junk.onnx")]) == 2
    assert "not a readable ONNX model" in capsys.readouterr().err
    assert main(["--check", str(tmp_path)]) == 2
    assert f"is a folder; give an .onnx file, such as {expected[0]}" in capsys.readouterr().err


@pytest.mark.parametrize("memory", [None, MemorySettings(memory_size=12)])
def test_export_leaves_the_policy_alone(memory: MemorySettings | None, tmp_path: Path) -> None:
    spec = make_spec(VECTOR, (2, ()))
    policy = make_policy(spec, SETTINGS["normalised"].model_copy(update={"memory": memory})).train()
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    export_policy(policy, spec, tmp_path / "Model.onnx")
    assert policy.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in policy.state_dict().items())
