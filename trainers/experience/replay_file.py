"""Files of replay buffers, in numpy's uncompressed .npz format."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gym_adapters.errors import UserError
from trainers.experience.replay import Replay
from trainers.experience.store import NO_ROW
from trainers.maths.returns import Ending
from trainers.records.checkpoint import require_small_parts, write_atomically

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""Readers of the header of an array, by its version."""


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
        with np.load(path, allow_pickle=False) as file:
            replay.restore(_with_present_columns({name: file[name] for name in file.files}))
    except Exception as error:  # a damaged file may raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{path}: not a replay buffer of this run ({reason}); delete it to continue without it"
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
