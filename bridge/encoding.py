"""Encodes an `ActionTuple` as a message."""

from typing import Any

import numpy as np
from mlagents_envs.base_env import ActionTuple

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
    before = b"\x32" + _varint(floats) if floats else b""  # field 6, continuous_actions
    between = b"\x3a" + _varint(branches) if branches else b""  # field 7, discrete_actions
    size = len(before) + floats + len(between) + branches
    before = b"\x0a" + _varint(size) + before  # field 1 of the list
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


def _varint(value: int) -> bytes:
    """Encode a variable-length integer. Source: https://protobuf.dev/programming-guides/encoding/#varints."""
    result = bytearray()
    while value > LARGEST_BYTE:
        result.append(value & LARGEST_BYTE | 0x80)
        value >>= 7
    return bytes([*result, value])
