"""Files of replay buffers, in numpy's uncompressed .npz format."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gym_adapters.errors import UserError
from gym_adapters.files import write_atomically
from gym_adapters.text import first_line
from trainers.experience.replay import Replay
from trainers.experience.store import NO_ROW
from trainers.maths.returns import Ending
from trainers.records.checkpoint import require_small_parts

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""Readers of the header of an array, by its version."""

MOST_ROWS = 2**62
"""The largest number of a row, with room for those that follow."""


def save_replay(replay: Replay, path: Path) -> None:
    """Write all rows of a replay buffer, atomically."""
    arrays: dict[str, Any] = replay.state()
    write_atomically(path, lambda stream: np.savez(stream, **arrays))


def load_replay(replay: Replay, path: Path) -> None:
    """Restore a replay buffer from a file, or its newest rows if there are more than the capacity.

    Nothing in the file is executed.

    Raises:
        UserError: the file is damaged or belongs to another behavior.
    """
    try:
        _require_small(path)
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = _with_present_columns({name: file[name] for name in file.files})
        _require_sound(arrays, replay)
        replay.restore(arrays)
    except Exception as error:  # a damaged file may raise anything
        raise UserError(
            f"{path}: not a replay buffer of this run ({first_line(error)}); delete it to continue without it"
        ) from error


def _require_small(path: Path) -> None:
    """Require that no array is larger than its part of the file, before memory is asked for.

    Raises:
        ValueError: an array, or the whole file, would be larger when it is read.
    """
    with zipfile.ZipFile(path) as file:
        require_small_parts(file, path)
        for part in file.infolist():
            with file.open(part) as stream:
                read_header = HEADERS[np.lib.format.read_magic(stream)]
                shape, _, dtype = read_header(stream)
            if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > part.file_size:
                raise ValueError(f"{part.filename} is larger than its part of the file")


def _require_sound(arrays: dict[str, np.ndarray], replay: Replay) -> None:
    """Require that arrays have the types and shapes of a buffer's, and numbers in their ranges.

    `FrameStore.restore` does the same for images.

    Raises:
        ValueError: an array differs; the message names it.
    """
    rows, branches, count = arrays["rows"], replay.spec.action_spec.discrete_branches, len(arrays["rows"])
    expected: dict[str, tuple[np.dtype, tuple[int, ...]]] = {
        "rows": (np.dtype(np.int64), (count,)),
        **{name: (kind, (count, *shape)) for name, (kind, shape) in replay.column_kinds.items()},
    }
    for index, observation in enumerate(replay.spec.observation_specs):
        if len(observation.shape) != 3:
            name = f"observation{index}.values"
            is_wide = len(observation.shape) == 1 and arrays[name].dtype == np.float64
            kind = np.dtype(np.float64 if is_wide else np.float32)
            expected[name] = (kind, (count, *observation.shape))
    for name, (kind, shape) in expected.items():
        array = arrays[name]
        if array.dtype != kind or array.shape != shape:
            raise ValueError(f"{name} is {array.shape} of {array.dtype}, expected {shape} of {kind}")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and ".chunk" not in name and not np.isfinite(array).all():
            raise ValueError(f"{name} has numbers that are not finite")
    if not count or rows[0] < 0 or rows[-1] > MOST_ROWS or (np.diff(rows) != 1).any():
        raise ValueError("its rows are not numbered one after the other")
    following = arrays["next_row"]
    if ((following != NO_ROW) & ((following <= rows) | (following > rows[-1]))).any():
        raise ValueError("a row refers to a next row that is not there")
    if not np.isin(arrays["ending"], list(Ending)).all():
        raise ValueError("an ending that there is not")
    if ((arrays["discrete"] < 0) | (arrays["discrete"] >= np.array(branches, np.int64))).any():
        raise ValueError("an action that there is not")


def _with_present_columns(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays of a file under the present column names.

    Older files hold one discrete action and no endings. In them, a settled row without a next row has terminated.
    """
    if "action" not in arrays:
        return arrays
    settled, rows = arrays["closed"], len(arrays["closed"])
    true_end = settled & (arrays["next_row"] == NO_ROW)
    return {
        **arrays,
        "continuous": np.zeros((rows, 0), np.float32),
        "discrete": arrays["action"][:, None],
        "group_reward": np.zeros(rows, np.float32),
        "ending": np.where(true_end, Ending.TERMINATED, Ending.GOES_ON).astype(np.int8),
        "settled": settled,
    }
