"""Exported models with memory under onnxruntime: an episode step by step, beside the policy."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from test_onnx_export import BATCH, CASES, SETTINGS, feed, make_policy, make_soft_policy, make_spec

from bridge.onnx_check import check_file, check_model
from bridge.onnx_export import export_policy
from trainers.config.network import MemorySettings
from trainers.networks.policy_network import PolicyNetwork

SIZE, STEPS = 12, 6
MEMORY = MemorySettings(memory_size=SIZE)


def exported(
    case: tuple, path: Path, soft: bool = False
) -> tuple[PolicyNetwork, onnxruntime.InferenceSession]:
    shapes, actions, settings, shared = case
    spec, network = make_spec(shapes, actions), SETTINGS[settings].model_copy(update={"memory": MEMORY})
    policy = make_soft_policy(spec, network) if soft else make_policy(spec, network, shared)
    export_policy(policy.eval(), spec, path)
    return policy, onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("soft", [False, True], ids=["ppo", "sac"])
@pytest.mark.parametrize("case", CASES)
def test_an_episode_is_the_same_step_by_step(case: tuple, soft: bool, tmp_path: Path) -> None:
    policy, session = exported(case, tmp_path / "Model.onnx", soft)
    names = [output.name for output in session.get_outputs()]
    memory, recurrent = np.zeros((BATCH, SIZE), np.float32), np.zeros((BATCH, 1, SIZE), np.float32)
    shown, tolerance = 0.0, 1e-4 if case[2] == "resnet" else 1e-5  # 15 convolutions round more than one layer
    for step in range(STEPS):
        inputs = feed(policy.spec, seed=step)
        masks = inputs.get("action_masks")
        observations = [values for name, values in inputs.items() if name.startswith("obs_")]
        sample = policy.choose(observations, None if masks is None else masks < 0.5, True, None, memory)
        found = dict(zip(names, session.run(names, {**inputs, "recurrent_in": recurrent}), strict=True))
        expected = policy.to_environment(sample)
        if policy.action_spec.continuous_size:
            found_actions = found["deterministic_continuous_actions"]
            np.testing.assert_allclose(found_actions, expected.continuous, atol=tolerance)
            assert np.abs(found["continuous_actions"]).max() <= 1.0
        if policy.action_spec.discrete_branches:
            np.testing.assert_array_equal(found["deterministic_discrete_actions"], expected.discrete)
        memory, recurrent = sample.memory, found["recurrent_out"]
        np.testing.assert_allclose(recurrent[:, 0], memory, atol=tolerance)
        shown = max(shown, float(np.abs(recurrent).max()))
    assert shown > 0.05


def test_names_order_and_shapes_are_those_that_unity_reads(tmp_path: Path) -> None:
    path = tmp_path / "Model.onnx"
    _, session = exported(([(4,), (2,)], (2, (4,)), "plain", False), path)
    assert [value.name for value in session.get_inputs()] == [
        "obs_0",
        "obs_1",
        "action_masks",
        "recurrent_in",
    ]
    assert [value.name for value in session.get_outputs()] == [
        "version_number",
        "memory_size",
        "continuous_actions",
        "continuous_action_output_shape",
        "deterministic_continuous_actions",
        "discrete_actions",
        "discrete_action_output_shape",
        "deterministic_discrete_actions",
        "recurrent_out",
    ]
    for value in (session.get_inputs()[-1], session.get_outputs()[-1]):
        assert value.shape == ["batch", 1, SIZE]
        assert value.type == "tensor(float)"
    constants = session.run(["version_number", "memory_size"], {**feed_of(session), "recurrent_in": zeros(1)})
    assert [constant.tolist() for constant in constants] == [[3.0], [SIZE]]
    assert not check_file(path).refused
    assert not check_file(path).warnings


def test_the_operators_are_of_opset_9_and_the_memory_is_one_lstm(tmp_path: Path) -> None:
    path = tmp_path / "Model.onnx"
    exported(([(5,)], (3, ()), "plain", False), path)
    model = onnx.load(path)
    assert model.opset_import[0].version == 9
    (layer,) = [node for node in model.graph.node if node.op_type == "LSTM"]
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    assert [shapes[name] for name in layer.input[1:4]] == [
        (1, 2 * SIZE, 16),
        (1, 2 * SIZE, SIZE // 2),
        (1, 4 * SIZE),
    ]
    assert not {node.op_type for node in model.graph.node} & {"Split", "Loop", "If", "Shape"}


def test_a_memory_of_another_rank_or_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "Model.onnx"
    exported(([(5,)], (3, ()), "plain", False), path)
    model = onnx.load(path)
    (memory,) = [value for value in model.graph.input if value.name == "recurrent_in"]
    memory.type.tensor_type.shape.dim[2].dim_value = 2 * SIZE
    (wrong,) = check_model(model).refused
    assert wrong == "recurrent_in is [batch, 1, 24]; expected [batch, 1, 12]"
    del memory.type.tensor_type.shape.dim[2]
    assert check_model(model).refused == ["recurrent_in is [batch, 1]; expected [batch, 1, 12]"]


def feed_of(session: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    return {
        value.name: np.ones((1, *value.shape[1:]), np.float32)
        for value in session.get_inputs()
        if value.name != "recurrent_in"
    }


def zeros(count: int) -> np.ndarray:
    return np.zeros((count, 1, SIZE), np.float32)
