"""A player's messages with random changes."""

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlagents_envs.exception import UnityCommunicatorStoppedException

from bridge import wire
from bridge.channels import StatsSideChannel
from bridge.images import encode_png
from bridge.unity_env import PlayerOptions, UnityEnv
from gym_adapters import UserError
from tests.faults.fault import Fault
from tests.faults.tools.odd_messages import LONGEST, NASTY, image, shaped

# isort: split
from messages import NAME, Message, agent, behavior, hello, step, vector

MESSAGES = 250
"""Changed messages of each fault when all are tried; `FEW` otherwise."""
FEW = 40

Change = Callable[[Message, st.DataObject], Message | None]

NUMBERS = (0, 1, 2, 3, 7, 99, 1000, -1, -(2**31), 2**31 - 1)
SIZES = tuple(number for number in NUMBERS if number <= 1000)
"""Larger sizes are faults of another kind."""
SIZE_FIELDS = ("shape", "discrete_branch_sizes", "num_continuous_actions", "num_discrete_actions")
REALS = (0.0, -0.0, 1.0, -1e30, 3e38, 1e-45, np.nan, np.inf, -np.inf)
TEXTS = ("", NAME, "Other", "Walker", "../..", "\0", NASTY, "a" * 300, "Größe", "1.5.0", "2.0.0", "?")
WHOLE_NUMBERS = (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_ENUM)


class Recording:
    """A communicator whose player sends messages of a list and then quits."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.port, self.ready, self.player_process = 0, True, None
        self._messages = iter(messages)

    def receive(self, timeout: float) -> Message:
        """Return the next message."""
        return next(self._messages, wire.message(wire.QUIT))

    def send(self, message: Message) -> None:
        """Drop the answer; it must be one."""
        assert message.SerializeToString()

    def close(self) -> None:
        """Nothing is open."""


def faults(whole: bool) -> Iterable[Fault]:
    """Changes of fields, and of bytes, of each message of an opening."""
    places = (("vectors", 2), ("masks", 2), ("images", 3)) if not whole else (
        (kind, place) for kind in OPENINGS for place in (0, 2, 3)
    )  # fmt: skip
    count = MESSAGES if whole else FEW
    for kind, place in places:
        for name, change in (("fields", change_fields), ("bytes", change_bytes)):
            if whole or name == "fields":
                attempt = partial(_try_changes, kind, place, change, count)
                yield Fault(f"{name} of message {place} of {kind}, {count} times", attempt)


def _try_changes(kind: str, place: int, change: Change, count: int, folder: Path) -> None:
    @settings(
        derandomize=True, max_examples=count, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def survive(data: st.DataObject) -> None:
        messages = OPENINGS[kind]()
        changed = change(messages[place], data)
        if changed is not None:  # what is no message reaches no decoder
            messages[place] = changed
            said = play(messages)
            assert said.isprintable(), said
            assert len(said) <= LONGEST, said

    survive()


def play(messages: list[Message]) -> str:
    """Return why the messages were refused, or nothing; what is not refused must be sound."""
    with mock.patch("bridge.player_session.Communicator", return_value=Recording(messages)):
        try:
            env = UnityEnv(PlayerOptions())
            env.reset()
            while True:
                require_sound(env)
                env.step()
        except UnityCommunicatorStoppedException:
            return ""
        except UserError as error:
            return str(error)


def require_sound(env: UnityEnv) -> None:
    """Require of a step what trainers rely on."""
    for name, spec in env.behavior_specs.items():
        assert spec.observation_specs
        assert spec.action_spec.continuous_size + spec.action_spec.discrete_size > 0
        for steps in env.get_steps(name):
            count = len(steps)
            assert len(set(steps.agent_id.tolist())) == count
            assert min(steps.group_id, default=0) >= 0
            for array, observation in zip(steps.obs, spec.observation_specs, strict=True):
                assert array.shape == (count, *observation.shape)
                assert array.dtype in (np.uint8, np.float32)
            for array in (*steps.obs, steps.reward, steps.group_reward):
                assert np.isfinite(array).all()
        masks = env.get_steps(name)[0].action_mask or []
        for mask, size in zip(masks, spec.action_spec.discrete_branches, strict=True):
            assert mask.shape[1:] == (size,)
            assert mask.dtype == np.bool_
            assert set(mask.view(np.uint8).flat) <= {0, 1}


def change_fields(message: Message, data: st.DataObject) -> Message:
    """Change one to three fields, set or not, at any depth."""
    changed = type(message).FromString(message.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        owner, field = data.draw(st.sampled_from(list(_fields(changed.unity_output))))
        _change_field(owner, field, data)
    return type(message).FromString(changed.SerializeToString())


def change_bytes(message: Message, data: st.DataObject) -> Message | None:
    """Replace, remove, repeat or insert bytes; None if the result is no message."""
    content = bytearray(message.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        stop = min(len(content), start + data.draw(st.integers(0, 4)))
        content[start:stop] = data.draw(st.one_of(st.binary(max_size=4), st.just(content[start:stop] * 2)))
    try:
        changed = type(message).FromString(bytes(content))
    except DecodeError:
        return None
    sizes = [value for owner, field in _fields(changed.unity_output) for value in _sizes(owner, field)]
    return changed if max(sizes, default=0) <= max(SIZES) else None


def _sizes(owner: Any, field: Any) -> Iterable[int]:
    if field.name not in SIZE_FIELDS:
        return ()
    value = getattr(owner, field.name)
    return (value,) if isinstance(value, int) else value


def _fields(message: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every field of a message and of those in it, with its owner."""
    for field in message.DESCRIPTOR.fields:
        yield message, field
        if field.message_type is None:
            continue
        value = getattr(message, field.name)
        if _is_map(field):
            inner = list(value.values())
        elif field.is_repeated:
            inner = list(value)
        else:
            inner = [value] if message.HasField(field.name) else []
        for part in inner:
            yield from _fields(part)


def _change_field(owner: Any, field: Any, data: st.DataObject) -> None:
    value = getattr(owner, field.name)
    action = data.draw(st.sampled_from(["clear", "set", "set", "set"]))
    if action == "clear":
        owner.ClearField(field.name)
    elif _is_map(field):
        key = data.draw(st.sampled_from(TEXTS))
        value[key].CopyFrom(next(iter(value.values()), value[key]))
    elif field.message_type is not None:
        if field.is_repeated:
            others = [*value, *data.draw(st.sampled_from(([], list(value), list(value)[:1])))]
            others = others[data.draw(st.integers(0, 1)) :]
            copies = [type(other).FromString(other.SerializeToString()) for other in others]
            owner.ClearField(field.name)
            value.extend(copies)
        else:
            value.SetInParent()
    elif field.is_repeated:
        values = [data.draw(_values(field, None)) for _ in range(data.draw(st.integers(0, 4)))]
        value[:] = values if data.draw(st.booleans()) else [*value, *values]
    else:
        setattr(owner, field.name, data.draw(_values(field, value)))


def _values(field: Any, value: Any) -> st.SearchStrategy[Any]:
    """Values of a field, of which many are at a limit."""
    if field.type in WHOLE_NUMBERS:
        return st.sampled_from(SIZES if field.name in SIZE_FIELDS else NUMBERS)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return st.sampled_from(REALS)
    if field.type == FieldDescriptor.TYPE_STRING:
        return st.sampled_from(TEXTS)
    assert field.type == FieldDescriptor.TYPE_BYTES, field.type
    content = bytes(value)
    odd = [
        content[:-1],
        content[1:],
        content + b"\0",
        content * 2,
        struct.pack("<f", np.nan) * (len(content) // 4),
    ]
    return st.one_of(st.sampled_from(odd), st.binary(max_size=30))


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _vectors() -> list[Message]:
    agents = (agent(1, reward=1.0), agent(1, done=True), agent(2, group_id=1, group_reward=0.5))
    statistic = struct.pack("<i", 4) + b"Jump" + struct.pack("<fi", 1.0, 0)
    channels = wire.pack_side_channels([(StatsSideChannel().channel_id, statistic)])
    first = step(*agents, declared=[behavior()], side_channel=channels)
    return [hello(), wire.message(), first, step(*agents, side_channel=channels)]


def _masks() -> list[Message]:
    entities = shaped((2, 3), properties=[4, 1])
    agents = (
        agent(1, entities, vector(), action_mask=b"\0\1\0\0\1"),
        agent(2, entities, vector()),
    )
    return [hello(), wire.message(), step(*agents, declared=[behavior(branches=(3, 2))]), step(*agents)]


def _images() -> list[Message]:
    compressed = image(encode_png(np.zeros((3, 20, 20), np.uint8)))
    compressed.compressed_channel_mapping.extend([0, 1, 2])
    agents = (agent(1, compressed, shaped((4, 5, 1))), agent(2, compressed, shaped((4, 5, 1)), done=True))
    return [hello(), wire.message(), step(*agents, declared=[behavior()]), step(*agents)]


OPENINGS = {"vectors": _vectors, "masks": _masks, "images": _images}
