"""What Unity would refuse of a model, found without Unity."""

from pathlib import Path

import onnx
import pytest
from mlagents_envs.base_env import (
    ActionSpec,
    BehaviorSpec,
    DimensionProperty,
    ObservationSpec,
    ObservationType,
)
from onnx import TensorProto, helper

from bridge.onnx_check import check_model
from bridge.onnx_export import export_policy
from trainers.config import NetworkSettings
from trainers.networks.actor_critic import ActorCritic

SPEC = BehaviorSpec(
    [ObservationSpec((4,), (DimensionProperty.NONE,), ObservationType.DEFAULT, "numbers")],
    ActionSpec.create_discrete((3,)),
)


def rename(model: onnx.ModelProto, old: str, new: str) -> None:
    for value in (*model.graph.input, *model.graph.output):
        if value.name == old:
            value.name = new
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("version_number", "version", "no output version_number"),
        ("memory_size", "memory", "no output memory_size"),
        ("obs_0", "obs_1", "inputs obs_1; expected obs_0"),
        ("obs_0", "observation", "no input obs_0"),
        ("obs_0", "vector_observation", "ML-Agents 1.x"),
        ("action_masks", "masks", "no input action_masks"),
        ("discrete_actions", "actions", "no output continuous_actions or discrete_actions"),
        ("discrete_action_output_shape", "shape", "no output discrete_action_output_shape"),
    ],
)
def test_check_refuses_other_names(old: str, new: str, words: str, tmp_path: Path) -> None:
    spec, path = SPEC, tmp_path / "Model.onnx"
    export_policy(ActorCritic(spec, NetworkSettings(hidden_units=16), False), spec, path)
    model = onnx.load(str(path))
    rename(model, old, new)
    assert any(words in line for line in check_model(model).refused)


def test_check_reads_values_types_and_opset() -> None:
    def constant(name: str, value: float, kind: int = TensorProto.FLOAT) -> onnx.NodeProto:
        tensor = helper.make_tensor(f"{name}_value", kind, [1], [value])
        return helper.make_node("Constant", [], [name], value=tensor)

    outputs = {"version_number": 1.0, "memory_size": 8.0, "continuous_action_output_shape": 2.0}
    nodes = [constant(name, value) for name, value in outputs.items()]
    nodes.append(helper.make_node("Identity", ["obs_0"], ["continuous_actions"]))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in outputs]
    values.append(helper.make_tensor_value_info("continuous_actions", TensorProto.DOUBLE, ["batch", 2]))
    inputs = [
        helper.make_tensor_value_info("obs_0", TensorProto.DOUBLE, ["batch", 2]),
        helper.make_tensor_value_info("extra", TensorProto.FLOAT, [1]),
    ]
    graph = helper.make_graph(nodes, "graph", inputs, values)
    report = check_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
    assert report.refused == [
        "opset 17; expected 7 to 15 (ML-Agents writes 9)",
        "version_number is 1; expected 2 or 3",
        "input obs_0 is not float",
        "continuous_actions is not float",
        "memory_size is 8, but there is no recurrent_in",
        "memory_size is 8, but there is no recurrent_out",
    ]
    assert report.warnings == [
        "Unity does not know input extra",
        "there is no output deterministic_continuous_actions; deterministic inference will not work",
    ]


def old_model(inputs: list[str], outputs: dict[str, int], constants: dict[str, float]) -> onnx.ModelProto:
    """A model of ML-Agents 1.x: names of inputs, types of outputs, and values of constants."""
    nodes = [
        helper.make_node(
            "Constant", [], [name], value=helper.make_tensor(name, TensorProto.FLOAT, [1], [value])
        )
        for name, value in constants.items()
    ]
    nodes += [helper.make_node("Cast", inputs[:1], [name], to=kind) for name, kind in outputs.items()]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in constants]
    values += [helper.make_tensor_value_info(name, kind, ["batch", 2]) for name, kind in outputs.items()]
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in inputs]
    graph = helper.make_graph(nodes, "graph", given, values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)])


OLD = {"version_number": 2.0, "memory_size": 0.0}
CONTINUOUS = {"continuous_actions": TensorProto.FLOAT}
DISCRETE = {"discrete_actions": TensorProto.FLOAT}
BRANCHES = {**OLD, "discrete_action_output_shape": 2.0}
SHAPED = {**OLD, "continuous_action_output_shape": 2.0}
BEFORE_HYBRID = {**OLD, "is_continuous_control": 1.0, "action_output_shape": 2.0}


@pytest.mark.parametrize(
    ("inputs", "outputs", "constants", "refused"),
    [
        (["vector_observation"], CONTINUOUS, SHAPED, ""),
        (["visual_observation_0", "visual_observation_1"], CONTINUOUS, SHAPED, ""),
        (["obs_1", "vector_observation"], CONTINUOUS, SHAPED, ""),
        (["vector_observation", "action_masks"], DISCRETE, BRANCHES, ""),
        (["vector_observation", "action_masks"], {"discrete_actions": TensorProto.INT64}, BRANCHES, ""),
        (["vector_observation"], {"action": TensorProto.FLOAT}, BEFORE_HYBRID, ""),
        (["vector_observation"], DISCRETE, BRANCHES, "no input action_masks"),
        (
            ["vector_observation"],
            {"action": TensorProto.FLOAT},
            {**BEFORE_HYBRID, "is_continuous_control": 0.0},
            "action_masks",
        ),
        (["vector_observation"], {"action": TensorProto.FLOAT}, OLD, "no output action_output_shape"),
        (["vector_observation"], CONTINUOUS, OLD, "no output continuous_action_output_shape"),
        (["vector_observation"], {}, OLD, "no output continuous_actions"),
        (["something"], CONTINUOUS, SHAPED, "no input vector_observation"),
        (["vector_observation"], CONTINUOUS, {**SHAPED, "memory_size": 8.0}, "memory"),
        (["vector_observation"], CONTINUOUS, {**SHAPED, "version_number": 3.0}, "ML-Agents 1.x"),
    ],
)
def test_check_knows_the_models_of_old_packages_which_unity_still_runs(
    inputs: list[str], outputs: dict[str, int], constants: dict[str, float], refused: str
) -> None:
    found = check_model(old_model(inputs, outputs, constants)).refused
    assert found == [] if not refused else any(refused in line for line in found), found
