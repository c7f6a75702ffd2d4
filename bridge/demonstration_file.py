"""The bytes of a .demo file: a header, the behavior's parameters, and one message for each recorded moment.

The header stands in the first 33 bytes. Each message that follows is preceded by its length. Unity leaves a second
header behind the last message, which is never read: the header says how many messages there are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from mlagents_envs.base_env import ActionSpec

from bridge import wire
from bridge.encoding import LARGEST_BYTE, varint
from gym_adapters.errors import UserError, refusal_named, unread_named
from gym_adapters.files import write_atomically
from gym_adapters.sizes import require_memory

SUFFIX = ".demo"
HEADER_BYTES = 33
"""Where the behavior's parameters begin."""
NAME_LETTERS = 16
"""Letters of a demonstration's name that Unity keeps, so that the header fits."""
API_VERSION = 1
KNOWN_VERSIONS = (0, 1)
LENGTH_BYTES = 5
"""The most bytes of a message's length."""
CONTINUOUS = 1
"""The old number for continuous actions (`vector_action_space_type_deprecated`)."""


@dataclass(frozen=True)
class Recording:
    """The messages of a file.

    Attributes:
        header: Its `DemonstrationMetaProto`.
        parameters: Its `BrainParametersProto`, whose `action_spec` is set for old files too.
        pairs: One `AgentInfoActionPairProto` for each moment: what the agent saw and earned, and what it then did.
    """

    header: Any
    parameters: Any
    pairs: list[Any]

    def spans(self) -> list[tuple[int, int]]:
        """Return the first moment of each trajectory and the one after its last, without those that hold no decision.

        One ends where its agent is done. Another agent, which has another id, begins a new one.
        """
        infos = [pair.agent_info for pair in self.pairs]
        ends = [
            index + 1
            for index, info in enumerate(infos)
            if info.done or index + 1 == len(infos) or infos[index + 1].id != info.id
        ]
        return [(start, end) for start, end in zip([0, *ends], ends, strict=False) if end - start > 1]

    def actions(self, spec: ActionSpec, spans: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the actions of all moments, (n, size) and (n, branches); 0 in the last of each trajectory.

        Args:
            spec: The behavior's actions.
            spans: The trajectories.

        Raises:
            UserError: Those of a moment do not fit the behavior.
        """
        continuous = np.zeros((len(self.pairs), spec.continuous_size), np.float32)
        discrete = np.zeros((len(self.pairs), spec.discrete_size), np.int64)
        for start, end in spans:
            for row in range(start, end - 1):
                try:
                    action = _actions_of(self.pairs[row].action_info, spec)
                except ValueError as error:
                    raise UserError(f"step {row + 1:,}: {error}; record it again") from error
                continuous[row], discrete[row] = action
        return continuous, discrete


def read_recording(path: Path) -> Recording:
    """Read a file.

    Raises:
        UserError: It cannot be read, is no .demo file, is damaged, or ends before the moments that its header counts.
    """
    with unread_named(path):
        require_memory(2 * path.stat().st_size, f"{path}", "split it into several files")
        content = path.read_bytes()
    header = wire.RecordingHeader()
    try:
        header.ParseFromString(_message(content, 0, HEADER_BYTES)[0])
        parameters_bytes, place = _message(content, HEADER_BYTES, len(content))
        parameters = wire.BrainParameters.FromString(parameters_bytes)
    except (DecodeError, ValueError) as error:
        raise _unreadable(path, "no .demo file, or a damaged one") from error
    if header.api_version not in KNOWN_VERSIONS:
        raise _unreadable(path, f"its version is {header.api_version}, expected 0 or 1")
    if header.number_steps < 1:
        raise _unreadable(
            path, f"its header counts {header.number_steps} steps, so the recording was not ended"
        )
    pairs: list[Any] = []
    for number in range(header.number_steps):
        try:
            pair, place = _message(content, place, len(content))
            pairs.append(wire.RecordedPair.FromString(pair))
        except (DecodeError, ValueError) as error:
            what = (
                f"its header counts {header.number_steps:,} steps, step {number + 1:,} is cut off or damaged"
            )
            raise _unreadable(path, what) from error
    _modernise(parameters)
    return Recording(header, parameters, pairs)


def write_recording(path: Path, header: Any, parameters: Any, pairs: Iterable[Any]) -> None:
    """Write a file. If that fails, one that was there before stays as it was.

    Args:
        path: The file.
        header: A `DemonstrationMetaProto`; its name is cut until it fits into the first 33 bytes.
        parameters: The `BrainParametersProto`.
        pairs: The moments, `number_steps` of them.

    Raises:
        UserError: The system refuses.
    """
    header.api_version = API_VERSION
    header.demonstration_name = _plain(header.demonstration_name)[:NAME_LETTERS]
    while header.ByteSize() >= HEADER_BYTES:
        header.demonstration_name = header.demonstration_name[:-1]
    parts = (_delimited(header).ljust(HEADER_BYTES, b"\0"), _delimited(parameters))
    with refusal_named(path):
        write_atomically(path, lambda stream: stream.writelines(chain(parts, map(_delimited, pairs))))


def files_of(path: Path) -> list[Path]:
    """Return a file itself, or the .demo files of a folder in the order of their names.

    Raises:
        UserError: There is nothing there, or no .demo file.
    """
    with unread_named(path):
        if path.is_file():
            return [path]
        if not path.is_dir():
            raise UserError(f"{path}: no such file or folder; give a {SUFFIX} file or a folder of them")
        found = sorted(one for one in path.iterdir() if one.suffix == SUFFIX and one.is_file())
    if not found:
        raise UserError(f"{path}: holds no {SUFFIX} file; give a {SUFFIX} file or a folder of them")
    return found


def _actions_of(action: Any, spec: ActionSpec) -> tuple[np.ndarray, list[int]]:
    """Return the continuous actions, (size,), and the discrete ones of an `AgentActionProto`.

    Old files hold numbers that are continuous actions if the behavior has any, else discrete ones.

    Raises:
        ValueError: They do not fit the behavior.
    """
    numbers, picks = np.frombuffer(action.continuous_actions, np.float32), list(action.discrete_actions)
    if not len(numbers) and not picks:
        old = list(action.vector_actions_deprecated)
        numbers, picks = (np.array(old, np.float32), []) if spec.continuous_size else (numbers, old)
    if (len(numbers), len(picks)) != (spec.continuous_size, spec.discrete_size):
        raise ValueError(
            f"{len(numbers)} continuous and {len(picks)} discrete actions, expected {spec.continuous_size} and "
            f"{spec.discrete_size}"
        )
    if not np.isfinite(numbers).all():
        raise ValueError("an action that is not finite")
    for pick, choices in zip(picks, spec.discrete_branches, strict=True):
        if pick not in range(choices):
            raise ValueError(f"the discrete action {pick}, expected 0 to {choices - 1}")
    return numbers, [int(pick) for pick in picks]


def _modernise(parameters: Any) -> None:
    """Set the `action_spec` of an old file, which has sizes and a type instead."""
    spec, sizes = parameters.action_spec, list(parameters.vector_action_size_deprecated)
    if spec.num_continuous_actions or spec.num_discrete_actions or not sizes:
        return
    if parameters.vector_action_space_type_deprecated == CONTINUOUS:
        spec.num_continuous_actions = sizes[0]
    else:
        spec.num_discrete_actions = len(sizes)
        spec.discrete_branch_sizes.extend(sizes)


def _message(content: bytes, place: int, end: int) -> tuple[bytes, int]:
    """Return the message that begins at `place` with its length, and the place after it.

    Raises:
        ValueError: It does not end before `end`.
    """
    length = 0
    for index, byte in enumerate(content[place : place + LENGTH_BYTES]):
        length |= (byte & LARGEST_BYTE) << 7 * index
        if byte <= LARGEST_BYTE:
            start = place + index + 1
            if start + length <= end:
                return content[start : start + length], start + length
            break
    raise ValueError("a message that is cut off")


def _delimited(message: Any) -> bytes:
    content: bytes = message.SerializeToString()
    return varint(len(content)) + content


def _plain(name: str) -> str:
    """Return a name as Unity writes it: letters, digits, hyphens and blanks."""
    return "".join(letter for letter in name if letter.isascii() and (letter.isalnum() or letter in "- "))


def _unreadable(path: Path, what: str) -> UserError:
    return UserError(f"{path}: {what}; give a whole {SUFFIX} file, or record it again")
