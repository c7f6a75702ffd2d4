"""The scalars of one behavior, read from its TensorBoard files."""

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.tensorflow_stub.errors import DataLossError, OutOfRangeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

from gym_adapters.errors import UserError
from trainers.compare.numbers import Curve

PATTERN = "events.out.tfevents.*"
RECORD_BYTES = 16
"""Bytes of a record besides its content: its length (8) and two checksums (4 each)."""


@dataclass(frozen=True)
class Events:
    """All scalars of a behavior.

    Attributes:
        curves: The curve of each tag.
        sessions: How often the run was started or resumed.
        notes: Damage to the files, as sentences for the report.
    """

    curves: dict[str, Curve]
    sessions: int
    notes: list[str]


def read_events(folder: Path) -> Events:
    """Read all events files of a behavior's folder, in the order in which they were created.

    As in TensorBoard, a file replaces the summaries of earlier files from the step of its first summary on.

    Raises:
        UserError: There is no events file, or none of them has a summary.
    """
    files = event_files(folder)
    if not files:
        raise UserError(f"{folder}: expected a TensorBoard file ({PATTERN}), found none")
    points: dict[str, list[tuple[int, float, float]]] = {}
    notes, sessions, elapsed = [], 0, 0.0
    for file in files:
        unread = unreadable_bytes(file)
        if unread:
            notes.append(f"{file}: the last {unread:,} bytes are cut off or damaged and are not used")
        scalars, unusable = _scalars(file)
        if unusable:
            notes.append(f"{file}: {unusable:,} values have no possible step or time and are not used")
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
        raise UserError(f"{files[0]}: has no summary; the run ended before its first one{damage}")
    curves = {tag: Curve(*map(np.asarray, zip(*rows, strict=True))) for tag, rows in points.items() if rows}
    return Events(curves, sessions, notes)


def event_files(folder: Path) -> list[Path]:
    """Return the events files of a behavior's folder, in the order in which they were created.

    In a Unity project, a `.meta` file lies beside each of them.
    """
    return sorted(path for path in folder.glob(PATTERN) if path.suffix != ".meta" and path.is_file())


def _scalars(file: Path) -> tuple[dict[str, list[tuple[int, float, float]]], int]:
    """Return the points of each tag: (agent steps, seconds since the file was created, value).

    The second value is the number of points that are left out, because their step or time is none.
    """
    accumulator = EventAccumulator(str(file), size_guidance={"scalars": 0})
    with suppress(DecodeError):  # a record that is no event; those before it are there
        accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    if not tags:
        return {}, 0
    start = accumulator.FirstEventTimestamp()
    points = {
        tag: [(event.step, event.wall_time - start, event.value) for event in accumulator.Scalars(tag)]
        for tag in tags
    }
    usable = {
        tag: [point for point in rows if point[0] >= 0 and math.isfinite(point[1])]
        for tag, rows in points.items()
    }
    left_out = sum(map(len, points.values())) - sum(map(len, usable.values()))
    return {tag: rows for tag, rows in usable.items() if rows}, left_out


def unreadable_bytes(file: Path) -> int:
    """Return the number of bytes at the end of an events file that follow its last intact record."""
    reader, intact = PyRecordReader_New(str(file)), 0
    with suppress(OutOfRangeError, DataLossError):
        while True:
            reader.GetNext()
            intact += RECORD_BYTES + len(reader.record())
    return file.stat().st_size - intact
