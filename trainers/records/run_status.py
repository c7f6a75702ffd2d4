"""`training_status.json`: what a run has reached, by the names of its behaviors and parameters."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from gym_adapters.errors import UserError
from gym_adapters.text import first_line
from trainers.config import BehaviorSettings, RunSettings
from trainers.config.errors import problems

STATUS, TIMERS = Path("run_logs", "training_status.json"), Path("run_logs", "timers.json")
"""Files in a run's folder; the timers are written when a run ends."""

PROGRESS = "progress.csv"
"""File in a behavior's folder: its summaries."""


class ListedCheckpoint(BaseModel):
    """One checkpoint of a behavior's list; the paths are relative to the run folder."""

    model_config = ConfigDict(strict=True, extra="allow")

    steps: int = Field(ge=0)
    file_path: str
    reward: float | None = None
    auxillary_file_paths: list[str]


class Waiting(BaseModel):
    """How long a behavior has waited for a better mean return, see `trainers.training.early_stop`."""

    model_config = ConfigDict(strict=True)

    best: FiniteFloat | None = None
    waited: int = Field(default=0, ge=0)
    lesson: dict[str, FiniteFloat] | None = None
    measure: str = ""
    reason: str = ""


class Reached(BaseModel):
    """What a behavior or a parameter has reached. Both trainers write this file, each with keys of its own."""

    model_config = ConfigDict(strict=True, extra="allow")

    checkpoints: list[ListedCheckpoint] = []
    final_checkpoint: ListedCheckpoint | None = None
    best_return: FiniteFloat | None = None
    best_evaluation: FiniteFloat | None = None
    best_elo: FiniteFloat | None = None
    device: str | None = None
    lesson_num: int = Field(default=0, ge=0)
    smoothed_reward: FiniteFloat = 0.0
    elo: FiniteFloat | None = None
    learning_team: int | None = None
    turn_began: dict[str, int] = {}
    early_stop: Waiting | None = None
    next_evaluation: int = Field(default=0, ge=0)


_STATUS = TypeAdapter(dict[str, Reached])


def ended_early(entry: Mapping[str, Any]) -> bool:
    """Whether the training of a behavior has ended before `max_steps`, given its part of the file."""
    waiting = entry.get("early_stop")
    return isinstance(waiting, Mapping) and bool(waiting.get("reason"))


def read_status(path: Path) -> dict[str, dict[str, Any]]:
    """Read `training_status.json`; an empty dictionary if there is no such file.

    Raises:
        UserError: the file cannot be read, is not JSON, or has a value of the wrong kind, which is named.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        _STATUS.validate_python(content)
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        path_in, text = problems(error)[0]
        where = " ".join(".".join(map(str, path_in)).split())
        reason = f"{where[:100] or 'the whole'}: {text}"
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, RecursionError) as error:
        reason = f"not valid JSON: {first_line(error)}"
    else:
        status: dict[str, dict[str, Any]] = content
        return status
    raise UserError(
        f"{path}: cannot be used ({reason}); restore it, or delete it to go on without the lessons and the list of "
        "checkpoints that it holds"
    )


def has_finished(folder: Path, settings: RunSettings) -> bool:
    """Whether a run of either trainer has ended, and each behavior has had its `max_steps` or learned enough.

    Args:
        folder: the run's folder.
        settings: those that say when each behavior ends.
    """
    if not (folder / TIMERS).is_file():
        return False
    try:
        status = read_status(folder / STATUS)
    except UserError:
        return False
    ended = {name: entry for name, entry in status.items() if entry.get("final_checkpoint")}
    ended = {name: ended[name] for name in settings.behaviors if name in ended} or ended
    otherwise = settings.default_settings or BehaviorSettings()
    return bool(ended) and all(
        ended_early(entry)
        or entry["final_checkpoint"]["steps"] >= settings.behaviors.get(name, otherwise).max_steps
        for name, entry in ended.items()
    )
