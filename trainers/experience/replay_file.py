"""A replay buffer as an uncompressed .npz file."""

from pathlib import Path
from typing import Any

import numpy as np

from gym_adapters.errors import UserError
from trainers.experience.replay import Replay
from trainers.experience.store import NO_ROW
from trainers.maths.returns import Ending
from trainers.records.checkpoint import write_atomically


def save_replay(replay: Replay, path: Path) -> None:
    """Write all rows, atomically."""
    arrays: dict[str, Any] = replay.state()
    write_atomically(path, lambda stream: np.savez(stream, **arrays))


def load_replay(replay: Replay, path: Path) -> None:
    """Take over what `save_replay` wrote, its newest rows if there are more than fit. Nothing in the file is executed.

    Raises:
        UserError: the file is damaged, or of another behavior.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            replay.restore(_with_present_columns({name: file[name] for name in file.files}))
    except Exception as error:  # whatever a damaged file leads to
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{path}: not a replay buffer of this run ({reason}); delete it to go on without it"
        ) from error


def _with_present_columns(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns of a file as they are named today.

    Files written before endings had a code hold one discrete action, and link a true end to nothing.
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
