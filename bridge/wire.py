"""The messages between Unity and the trainer, and those of .demo files, in a form that is fast to read and write.

The bytes on the wire are those of `mlagents_envs.communicator_objects`. Only types in Python differ: a packed list of
floats or booleans is a `bytes` field here, because both have the same encoding. NumPy then reads an observation in
place, without a list of Python floats.

Source: https://protobuf.dev/programming-guides/encoding/#packed
"""

import importlib
import struct
import uuid
from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from bridge import protobuf_compat

protobuf_compat.install()

API_VERSION = "1.5.0"
"""The communicator's version, which Unity packages 2.x to 4.x share."""

METHOD = "/communicator_objects.UnityToExternalProto/Exchange"
OK, QUIT = 200, 400
"""The values of `header.status`: a message, or the end of the session."""

STEP, RESET = 0, 1
PNG = 1

CHANNEL_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
"""No limits of size: gRPC's default is 4 MiB, which the message of 5,000 agents can exceed."""

_PACKED_AS_BYTES = {
    "ObservationProto.FloatData": ("data",),
    "AgentActionProto": ("continuous_actions",),
    "AgentInfoProto": ("action_mask",),
}


def _load_messages() -> dict[str, Any]:
    """Return the message classes by name, from a separate descriptor pool."""
    pool = descriptor_pool.DescriptorPool()
    done: set[str] = set()

    def add(file: Any) -> None:
        if file.name in done:
            return
        done.add(file.name)
        for dependency in file.dependencies:
            add(dependency)
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        for message in proto.message_type:
            _pack(message, message.name)
        pool.AddSerializedFile(proto.SerializeToString())

    for module in ("unity_message", "agent_info_action_pair", "demonstration_meta"):
        add(importlib.import_module(f"mlagents_envs.communicator_objects.{module}_pb2").DESCRIPTOR)
    names = (
        "UnityMessageProto",
        "AgentInfoProto",
        "BrainParametersProto",
        "AgentInfoActionPairProto",
        "DemonstrationMetaProto",
    )
    if hasattr(message_factory, "GetMessageClass"):
        make_class = message_factory.GetMessageClass
    else:  # protobuf before 4.22
        make_class = message_factory.MessageFactory(pool).GetPrototype
    return {name: make_class(pool.FindMessageTypeByName(f"communicator_objects.{name}")) for name in names}


def _pack(message: Any, path: str) -> None:
    """Turn the packed lists of a message descriptor into `bytes`."""
    for field in message.field:
        if field.name in _PACKED_AS_BYTES.get(path, ()):
            field.label = field.LABEL_OPTIONAL
            field.type = field.TYPE_BYTES
            field.ClearField("options")
    for nested in message.nested_type:
        _pack(nested, f"{path}.{nested.name}")


_MESSAGES = _load_messages()
UnityMessage = _MESSAGES["UnityMessageProto"]
AgentInfo = _MESSAGES["AgentInfoProto"]
BrainParameters = _MESSAGES["BrainParametersProto"]
RecordedPair = _MESSAGES["AgentInfoActionPairProto"]
RecordingHeader = _MESSAGES["DemonstrationMetaProto"]


def message(status: int = OK) -> Any:
    """Return an empty `UnityMessage`."""
    result = UnityMessage()
    result.header.status = status
    return result


def set_capabilities(capabilities: Any) -> None:
    """Set every capability of version 1.5.0."""
    for field in capabilities.DESCRIPTOR.fields:
        setattr(capabilities, field.name, True)


def pack_side_channels(messages: Iterable[tuple[uuid.UUID, bytes]]) -> bytes:
    """Pack side-channel messages into one field: the id, length and content of each, one after another."""
    return b"".join(
        channel.bytes_le + struct.pack("<i", len(content)) + content for channel, content in messages
    )


def unpack_side_channels(data: bytes) -> list[tuple[uuid.UUID, bytes]]:
    """Undo `pack_side_channels`.

    Raises:
        ValueError: The data ends in the middle of a message.
    """
    messages, offset = [], 0
    while offset < len(data):
        start = offset + 20
        if start > len(data):
            raise ValueError("side channel data ends within a message's header")
        channel = uuid.UUID(bytes_le=data[offset : offset + 16])
        (length,) = struct.unpack_from("<i", data, offset + 16)
        offset = start + length
        if length < 0 or offset > len(data):
            raise ValueError(
                f"side channel {channel}: a message of {length} bytes, {len(data) - start} are there"
            )
        messages.append((channel, data[start:offset]))
    return messages
