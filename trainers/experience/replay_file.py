"""Files of replay buffers, in numpy's uncompressed .npz format."""

from pathlib import Path
from typing import Any

import numpy as np

from gym_adapters.errors import UserError
from trainers.experience.replay import Replay
from trainers.experience.store import NO_ROW
from trainers.maths.returns import Ending
from trainers.records.checkpoint import write_atomically


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
        with np.load(path, allow_pickle=False) as file:
            replay.restore(_with_present_columns({name: file[name] for name in file.files}))
    except Exception as error:  # a damaged file may raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{path}: not a replay buffer of this run ({reason}); delete it to continue without it"
        ) from error


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
