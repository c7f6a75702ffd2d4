"""Shrinks an `.onnx` to a quarter: weight matrices become 8-bit integers with one scale per row."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gym_adapters.files import write_atomically

LEVELS = 127
WORTH_IT = 1024
"""Tensors with at least this many numbers are stored in 8 bits. Smaller ones may hold shapes."""


def store_in_eight_bits(path: Path) -> None:
    """Rewrite a file so that its weights are computed from 8-bit integers by `Cast` and `Mul`, operators of opset 9.

    Biases and the normaliser stay in 32 bits. The rounding is that of checkpoints with 8-bit weights.

    Args:
        path: the `.onnx`, replaced atomically.

    Raises:
        OSError: the file cannot be read or written.
    """
    model = onnx.load(path)
    graph = model.graph
    kept, nodes = [], []
    for tensor in graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or weights.ndim < 2 or weights.size < WORTH_IT:
            kept.append(tensor)
            continue
        rows = 1 if weights.shape[0] > 1 else 2  # the rows of an LSTM's matrices are their second axis
        largest = np.abs(weights).max(tuple(range(rows, weights.ndim)), keepdims=True)
        scale = (largest.clip(min=1e-12) / np.float32(LEVELS)).astype(np.float32)
        whole, wide, factor = (f"{tensor.name}_{part}" for part in ("int8", "float", "scale"))
        kept.append(numpy_helper.from_array((weights / scale).round().astype(np.int8), whole))
        kept.append(numpy_helper.from_array(scale, factor))
        nodes.append(helper.make_node("Cast", [whole], [wide], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [wide, factor], [tensor.name]))
    nodes += graph.node
    for field, content in ((graph.initializer, kept), (graph.node, nodes)):
        copies = [type(one).FromString(one.SerializeToString()) for one in content]
        del field[:]
        field.extend(copies)
    onnx.checker.check_model(model)
    write_atomically(path, lambda stream: stream.write(model.SerializeToString()))
