"""The scalars of one behavior, read from its TensorBoard files."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from gym_adapters.errors import UserError

PATTERN = "events.out.tfevents.*"
_HEADER, _CHECK = 8, 4


@dataclass(frozen=True)
class Curve:
    """One tag over a run. Shape of each array: (summaries,).

    Attributes:
        steps: agent steps.
        seconds: wall-clock seconds since the behavior was first seen, without the pauses between sessions.
        values: what was written.
    """

    steps: np.ndarray
    seconds: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Events:
    """All scalars of a behavior.

    Attributes:
        curves: by tag.
        sessions: how often the run was begun or resumed.
        notes: what a reader should know about the files, such as damage.
    """

    curves: dict[str, Curve]
    sessions: int
    notes: list[str]


def read_events(folder: Path) -> Events:
    """Read every events file of a behavior's folder, in the order they were begun.

    A later file replaces what earlier ones say of the steps from its first summary on, as TensorBoard does it.

    Raises:
        UserError: there is no events file, or none holds a summary.
    """
    files = sorted(folder.glob(PATTERN))
    if not files:
        raise UserError(f"{folder}: no TensorBoard file ({PATTERN})")
    points: dict[str, list[tuple[int, float, float]]] = {}
    notes, sessions, elapsed = [], 0, 0.0
    for file in files:
        unread = unreadable_bytes(file)
        if unread:
            notes.append(
                f"{file}: the last {unread:,} bytes are cut off or damaged; what precedes them is used"
            )
        scalars = _scalars(file)
        if not scalars:
            continue
        sessions += 1
        first = min(step for tag in scalars.values() for step, _, _ in tag)
        points = {tag: [point for point in earlier if point[0] < first] for tag, earlier in points.items()}
        elapsed = max((point[1] for earlier in points.values() for point in earlier), default=0.0)
        for tag, added in scalars.items():
            later = [(step, elapsed + seconds, value) for step, seconds, value in added]
            points.setdefault(tag, []).extend(later)
    if not sessions:
        damage = f" ({notes[0]})" if notes else ""
        raise UserError(f"{files[0]}: holds no summary; the run ended before its first one{damage}")
    curves = {tag: Curve(*map(np.asarray, zip(*rows, strict=True))) for tag, rows in points.items() if rows}
    return Events(curves, sessions, notes)


def _scalars(file: Path) -> dict[str, list[tuple[int, float, float]]]:
    """Per tag, (agent steps, seconds since the file was begun, value)."""
    accumulator = EventAccumulator(str(file), size_guidance={"scalars": 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    if not tags:
        return {}
    start = accumulator.FirstEventTimestamp()
    return {
        tag: [(event.step, event.wall_time - start, event.value) for event in accumulator.Scalars(tag)]
        for tag in tags
    }


def unreadable_bytes(file: Path) -> int:
    """How many bytes at the end of an events file are no whole records.

    A record is its length (8 bytes), a checksum of it, the content and a checksum of that; readers stop at the first
    one that does not hold.
    """
    data = file.read_bytes()
    at = 0
    while len(data) - at >= _HEADER + _CHECK:
        (length,) = struct.unpack_from("<Q", data, at)
        end = at + _HEADER + _CHECK + length
        if (
            end + _CHECK > len(data)
            or not _holds(data, at, _HEADER)
            or not _holds(data, end - length, length)
        ):
            break
        at = end + _CHECK
    return len(data) - at


def _holds(data: bytes, start: int, length: int) -> bool:
    """Whether the checksum behind these bytes is theirs."""
    (expected,) = struct.unpack_from("<I", data, start + length)
    return bool(masked_crc32c(data[start : start + length]) == expected)
