"""A SAC policy as Unity runs it: squashed, sampled or at its median, within its masks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mlagents_envs.base_env import BehaviorSpec
from test_onnx_export import BATCH, CASES, SETTINGS, feed, make_spec, run, shake

from bridge.onnx_check import check_file
from bridge.onnx_export import export_policy
from trainers.config import NetworkSettings
from trainers.networks.soft_actor_critic import SoftActorCritic


def make_soft_policy(spec: BehaviorSpec, settings: NetworkSettings) -> SoftActorCritic:
    torch.manual_seed(0)
    policy = SoftActorCritic(spec, settings)
    shake(policy, 0.03)
    return policy


@pytest.mark.parametrize(("shapes", "actions", "settings", "shared"), CASES)
def test_actions_are_the_policy_s(shapes, actions, settings, shared, tmp_path: Path) -> None:
    del shared
    spec, path = make_spec(shapes, actions), tmp_path / "Model.onnx"
    policy = make_soft_policy(spec, SETTINGS[settings])
    export_policy(policy, spec, path)
    assert check_file(path).refused == []
    assert check_file(path).warnings == []
    inputs = feed(spec)
    outputs, masks = run(path, inputs), inputs.get("action_masks")
    observations = [inputs[f"obs_{index}"] for index in range(len(shapes))]
    expected = policy.choose(observations, None if masks is None else masks < 0.5, True, None)
    if actions[0]:
        np.testing.assert_allclose(
            outputs["deterministic_continuous_actions"], expected.continuous, atol=1e-5
        )
        sampled = outputs["continuous_actions"]
        assert sampled.shape == (BATCH, actions[0])
        assert np.abs(sampled).max() <= 1.0
        assert np.abs(sampled - expected.continuous).max() > 0.01
    if actions[1]:
        np.testing.assert_array_equal(outputs["deterministic_discrete_actions"], expected.discrete)
        starts = np.cumsum((0, *actions[1][:-1]))
        assert masks is not None
        assert np.take_along_axis(masks, outputs["discrete_actions"] + starts, axis=1).all()


def test_samples_spread_as_the_policy_s(tmp_path: Path) -> None:
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
