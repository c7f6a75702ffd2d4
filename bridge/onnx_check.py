"""Checks without Unity whether Unity accepts an `.onnx` file.

The checks are those of com.unity.ml-agents when a model is assigned to an agent (Runtime/Inference), as far as they
need only the file. Only Unity can check whether the model fits the agent's sensors and actions.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, numpy_helper

from gym_adapters.errors import UserError
from gym_adapters.text import first_line

OPSETS = range(7, 16)
"""The opset versions that Unity's Inference Engine reads."""

OLD_VERSION, VERSION = 2, 3
"""`version_number` of the models of ML-Agents 1.x, which later packages still run, and of all later models."""

RECURRENT_RANK = 3
"""Dimensions of `recurrent_in` and `recurrent_out`: the batch, 1, and `memory_size`."""

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
EXTRA_INPUTS = {"action_masks", "recurrent_in", "prev_action", "epsilon", "sequence_length"}
OLD_ACTIONS = {"is_continuous_control", "action", "action_output_shape"}
OLD_NAMES = {*OLD_ACTIONS, "vector_observation", "value_estimate"}


@dataclass
class Report:
    """The result of a check.

    Attributes:
        refused: Reasons for which Unity refuses the model.
        warnings: Limits of a model that Unity accepts.
        summary: The model's inputs and outputs.
    """

    refused: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)

    def text(self, path: Path) -> str:
        """Return the report as text, one finding per line."""
        verdict = "Unity would refuse it" if self.refused else "Unity can run it"
        lines = [f"{path}: {verdict}", *(f"  {line}" for line in self.summary)]
        lines += [f"  refused: {line}" for line in self.refused]
        lines += [f"  warning: {line}" for line in self.warnings]
        return "\n".join(lines) + "\n"


def check_file(path: Path) -> Report:
    """Check a file.

    Raises:
        UserError: It is not an ONNX file.
    """
    if path.is_dir():
        models = sorted((*path.glob("*.onnx"), *path.glob("*/*.onnx")))
        such = f", such as {models[0]}" if models else ""
        raise UserError(f"{path}: is a folder; give an .onnx file{such}")
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise UserError(f"{path}: not a readable ONNX model ({first_line(error)})") from error
    return check_model(model)


def check_model(model: onnx.ModelProto) -> Report:
    """Check a loaded model."""
    report = Report()
    constants = _constants(model.graph)
    inputs = _tensors(value for value in model.graph.input if value.name not in constants)
    outputs = _tensors(model.graph.output)
    report.summary = [f"{name}: {_describe(*value)}" for name, value in (*inputs.items(), *outputs.items())]
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset not in OPSETS:
        report.refused.append(f"opset {opset}; expected {OPSETS[0]} to {OPSETS[-1]} (ML-Agents writes 9)")
    _check_constants(report, outputs, constants)
    version = constants.get("version_number")
    if version is not None and version.ravel()[0] == OLD_VERSION:
        _check_old(report, inputs, outputs, constants)
        return report
    if OLD_NAMES & (inputs.keys() | outputs.keys()):
        report.refused.append(
            f"tensor names of ML-Agents 1.x, which need version_number {OLD_VERSION}; "
            "train again with a current trainer"
        )
    _check_inputs(report, inputs)
    _check_actions(report, inputs, outputs, (INT64,))
    _check_memory(report, inputs, outputs, constants)
    return report


Tensors = dict[str, tuple[int, list[int | str]]]


def _check_constants(report: Report, outputs: Tensors, constants: dict[str, np.ndarray]) -> None:
    for name in ("version_number", "memory_size"):
        if name not in outputs:
            report.refused.append(f"there is no output {name}")
        elif outputs[name][0] != FLOAT or constants.get(name) is None:
            report.refused.append(f"{name} is not a constant float")
    version = constants.get("version_number")
    if version is not None and version.ravel()[0] not in (OLD_VERSION, VERSION):
        report.refused.append(
            f"version_number is {version.ravel()[0]:g}; expected {OLD_VERSION} or {VERSION}"
        )


def _check_old(report: Report, inputs: Tensors, outputs: Tensors, constants: dict[str, np.ndarray]) -> None:
    """Check a model of ML-Agents 1.x, which has names of its own for observations, and perhaps for actions."""
    known = [
        name for name in inputs if re.fullmatch(r"vector_observation|(visual_observation|obs)_\d+", name)
    ]
    if not known:
        report.refused.append("there is no input vector_observation, visual_observation_0 or obs_0")
    _check_input_types(report, inputs, known)
    if "action" in outputs and not {"continuous_actions", "discrete_actions"} & outputs.keys():
        missing = sorted(OLD_ACTIONS - outputs.keys())
        report.refused += [f"there is no output {name}" for name in missing]
        discrete = constants.get("is_continuous_control")
        if discrete is not None and not discrete.any() and "action_masks" not in inputs:
            report.refused.append("discrete actions, but no input action_masks")
    else:
        _check_actions(report, inputs, outputs, (FLOAT, INT64))
    memory = constants.get("memory_size")
    if memory is not None and memory.ravel()[0] > 0:
        report.refused.append("a model with memory of ML-Agents 1.x; train again with a current trainer")


def _check_inputs(report: Report, inputs: Tensors) -> None:
    sensors = sorted(name for name in inputs if name.startswith("obs_"))
    expected = [f"obs_{index}" for index in range(len(sensors))]
    if not sensors:
        report.refused.append("there is no input obs_0")
    elif sorted(expected) != sensors:
        report.refused.append(f"inputs {', '.join(sensors)}; expected {', '.join(expected)}")
    _check_input_types(report, inputs, expected)


def _check_input_types(report: Report, inputs: Tensors, known: Collection[str]) -> None:
    for name, (kind, _) in inputs.items():
        if kind != FLOAT:
            report.refused.append(f"input {name} is not float")
        if name not in EXTRA_INPUTS and name not in known:
            report.warnings.append(f"Unity does not know input {name}")


def _check_actions(
    report: Report, inputs: Tensors, outputs: Tensors, discrete_types: tuple[int, ...]
) -> None:
    kinds = [kind for kind in ("continuous", "discrete") if f"{kind}_actions" in outputs]
    if not kinds:
        report.refused.append("there is no output continuous_actions or discrete_actions")
    for kind in kinds:
        expected = (FLOAT,) if kind == "continuous" else discrete_types
        for name in (f"{kind}_actions", f"deterministic_{kind}_actions"):
            if name not in outputs:
                report.warnings.append(f"there is no output {name}; deterministic inference will not work")
            elif outputs[name][0] not in expected:
                report.refused.append(f"{name} is not {' or '.join(map(_type_name, expected))}")
        shape = f"{kind}_action_output_shape"
        if shape not in outputs:
            report.refused.append(f"there is no output {shape}")
        elif outputs[shape][0] != FLOAT:
            report.refused.append(f"{shape} is not float")
    if "discrete" in kinds and "action_masks" not in inputs:
        report.refused.append("discrete actions, but no input action_masks")


def _check_memory(
    report: Report, inputs: Tensors, outputs: Tensors, constants: dict[str, np.ndarray]
) -> None:
    memory = constants.get("memory_size")
    if memory is None or memory.ravel()[0] == 0:
        return
    for name, found in (("recurrent_in", inputs), ("recurrent_out", outputs)):
        if name not in found:
            report.refused.append(f"memory_size is {memory.ravel()[0]:g}, but there is no {name}")
        elif len(found[name][1]) != RECURRENT_RANK or found[name][1][-1] != memory.ravel()[0]:
            shape = ", ".join(map(str, found[name][1]))
            report.refused.append(f"{name} is [{shape}]; expected [batch, 1, {memory.ravel()[0]:g}]")


def _tensors(values: Iterable[Any]) -> Tensors:
    """Return type and shape of inputs or outputs, by name."""
    found = {}
    for value in values:
        tensor = value.type.tensor_type
        dimensions = [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]
        found[value.name] = (tensor.elem_type, dimensions)
    return found


def _constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """Return the tensors whose values are stored in the graph, by name."""
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def _type_name(kind: int) -> str:
    return str(TensorProto.DataType.Name(kind)).lower()


def _describe(kind: int, shape: list[int | str]) -> str:
    return f"{_type_name(kind)} [{', '.join(map(str, shape))}]"
