"""A DQN as Unity runs it: the best allowed action, sampled or not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_onnx_export import feed, make_spec, run, shake

from bridge.onnx_check import check_file
from bridge.onnx_export import export_policy, export_run
from trainers.config import NetworkSettings
from trainers.networks.q_network import QNetwork
from trainers.records.checkpoint import save_state

CASES = [
    ([(5,)], {"normalize": True}, False, None),
    ([(5,), (3, 20, 24)], {"dropout": 0.5}, True, None),
    ([(4, 36, 40)], {"vis_encode_type": "nature_cnn", "conv_channels": [8, 8, 8], "dropout": 0.5}, True, 12),
]


def make_network(shapes, network, dueling, units) -> QNetwork:
    torch.manual_seed(1)
    policy = QNetwork(
        make_spec(shapes, (0, (6,))), NetworkSettings(hidden_units=16, **network), dueling, units
    )
    shake(policy, 0.1)
    return policy


@pytest.mark.parametrize(("shapes", "network", "dueling", "units"), CASES)
def test_both_outputs_are_the_best_allowed_action(shapes, network, dueling, units, tmp_path: Path) -> None:
    policy = make_network(shapes, network, dueling, units)
    spec = make_spec(shapes, (0, (6,)))
    path = tmp_path / "Model.onnx"
    export_policy(policy, spec, path)
    assert check_file(path).refused == []
    assert check_file(path).warnings == []
    inputs = feed(spec)
    outputs = run(path, inputs)
    observations = [inputs[f"obs_{index}"] for index in range(len(shapes))]
    expected = policy.eval().choose(observations, inputs["action_masks"] < 0.5, True, None).discrete
    np.testing.assert_array_equal(outputs["discrete_actions"], expected)
    np.testing.assert_array_equal(outputs["deterministic_discrete_actions"], expected)
    assert outputs["discrete_action_output_shape"].tolist() == [[6.0]]
    assert len(np.unique(expected)) > 1
    assert np.take_along_axis(inputs["action_masks"], expected, axis=1).all()


def test_a_checkpoint_is_exported_with_its_heads(tmp_path: Path) -> None:
    shapes, network, dueling, units = CASES[2]
    policy = make_network(shapes, network, dueling, units)
    spec = make_spec(shapes, (0, (6,)))
    described = {"name": "Test", **policy.description()}
    weights = policy.state_dict()
    state = {"trainer_type": "dqn", "behavior": described, "global_step": 1, "Policy": weights}
    save_state(tmp_path / "checkpoint.pt", state)
    (written,) = export_run(tmp_path / "checkpoint.pt")
    inputs = feed(spec)
    expected = policy.eval().choose([inputs["obs_0"]], inputs["action_masks"] < 0.5, True, None).discrete
    np.testing.assert_array_equal(run(written, inputs)["discrete_actions"], expected)
