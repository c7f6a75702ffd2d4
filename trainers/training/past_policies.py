"""The file of the past policies of self-play, in a behavior's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gym_adapters.errors import UserError
from trainers.algorithms.learner import Learner
from trainers.records.checkpoint import damage_named, read_tensors, save_state

OPPONENTS = "opponents.pt"
"""Its name."""

ELO_STATUS = "elo"
"""Key of a behavior's Elo rating in `training_status.json`, as in ML-Agents."""


def save_opponents(learner: Learner, folder: Path) -> None:
    """Write the past policies of a learner, if it has self-play.

    Raises:
        OSError: the file could not be written.
    """
    if learner.opponents is not None:
        save_state(folder / OPPONENTS, learner.opponents.state_dict())


def restore_opponents(learner: Learner, folder: Path, status: Mapping[str, Any]) -> list[str]:
    """Read the past policies of a resumed learner, if it has self-play.

    Args:
        learner: the learner, after its checkpoint was read.
        folder: the behavior's folder.
        status: its part of `training_status.json`, which has the rating if the file is missing.

    Returns:
        Messages for the user.

    Raises:
        UserError: the file is damaged, or belongs to another network.
    """
    opponents = learner.opponents
    if opponents is None:
        return []
    path = folder / OPPONENTS
    if not path.is_file():
        rating = status.get(ELO_STATUS)
        opponents.latest.rating = opponents.latest.rating if rating is None else float(rating)
        return ["no past policies were saved, so self-play begins with the present one"]
    try:
        with damage_named(path):
            opponents.load_state_dict(read_tensors(path))
    except UserError as error:
        raise UserError(f"{error}, or delete it to go on without past policies") from error
    opponents.begin_at(learner.step)
    return []
