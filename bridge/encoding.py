"""Encodes behaviors, actions and observations as messages."""

from typing import Any

import numpy as np
from mlagents_envs.base_env import ActionSpec, ActionTuple, DimensionProperty, ObservationSpec

from bridge import wire
from bridge.images import encode_png

LARGEST_BYTE = 127
"""The largest variable-length integer that takes one byte."""


def write_actions(actions: Any, action: ActionTuple) -> None:
    """Put one `AgentActionProto` per row of the action into an empty `ListAgentActionProto`.

    All encoded rows have the same length and differ only in their numbers, so they are written as one table of bytes.

    Args:
        actions: The list.
        action: Shapes: (agents, continuous_size) and (agents, branches).
    """
    if action.discrete.max(initial=0) > LARGEST_BYTE or action.discrete.min(initial=0) < 0:
        write_plainly(actions, action)
        return
    continuous = np.ascontiguousarray(action.continuous, np.float32).view(np.uint8)
    floats, branches = continuous.shape[1], action.discrete.shape[1]
    before = b"\x32" + varint(floats) if floats else b""  # field 6, continuous_actions
    between = b"\x3a" + varint(branches) if branches else b""  # field 7, discrete_actions
    size = len(before) + floats + len(between) + branches
    before = b"\x0a" + varint(size) + before  # field 1 of the list
    table = np.empty((len(continuous), len(before) + floats + len(between) + branches), np.uint8)
    for start, constant in ((0, before), (len(before) + floats, between)):
        table[:, start : start + len(constant)] = np.frombuffer(constant, np.uint8)
    table[:, len(before) : len(before) + floats] = continuous
    table[:, table.shape[1] - branches :] = action.discrete
    actions.MergeFromString(table.tobytes())


def write_plainly(actions: Any, action: ActionTuple) -> None:
    """Do the same as `write_actions` through protobuf's message classes, which is slower."""
    continuous = np.ascontiguousarray(action.continuous, np.float32)
    for floats, discrete in zip(continuous, action.discrete.tolist(), strict=True):
        actions.value.add(continuous_actions=floats.tobytes(), discrete_actions=discrete)


def write_parameters(proto: Any, name: str, actions: ActionSpec) -> None:
    """Put the name and the actions of a behavior into an empty `BrainParametersProto`."""
    proto.brain_name, proto.is_training = name, True
    proto.action_spec.num_continuous_actions = actions.continuous_size
    proto.action_spec.num_discrete_actions = actions.discrete_size
    proto.action_spec.discrete_branch_sizes.extend(actions.discrete_branches)


def write_observation(
    proto: Any, array: np.ndarray, spec: ObservationSpec, channels_last: bool = False, compress: bool = True
) -> None:
    """Put one observation of one agent into an empty `ObservationProto`.

    Args:
        proto: The message.
        array: Shape: that of the spec; images are channel-first.
        spec: The observation's spec.
        channels_last: Whether images are sent height-width-channel, as Unity packages 2.x do.
        compress: Whether uint8 images are sent as PNG instead of floats.
    """
    shape, properties = tuple(spec.shape), list(spec.dimension_property)
    if len(shape) == 3 and channels_last:
        shape = (*shape[1:], shape[0])
        properties = [*properties[1:], DimensionProperty.NONE]
    proto.shape.extend(shape)
    proto.dimension_properties.extend(int(value) for value in properties)
    proto.observation_type = spec.observation_type.value
    proto.name = spec.name
    if array.dtype == np.uint8 and compress:
        proto.compression_type = wire.PNG
        proto.compressed_data = encode_png(array)
        return
    values = array / np.float32(255) if array.dtype == np.uint8 else array.astype(np.float32, copy=False)
    if len(shape) == 3 and channels_last:
        values = values.transpose(1, 2, 0)
    proto.float_data.data = values.tobytes()


def varint(value: int) -> bytes:
    """Encode a variable-length integer. Source: https://protobuf.dev/programming-guides/encoding/#varints."""
    result = bytearray()
    while value > LARGEST_BYTE:
        result.append(value & LARGEST_BYTE | 0x80)
        value >>= 7
    return bytes([*result, value])
