"""Reads run folders of both trainers."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from gym_adapters.errors import UserError, unread_named
from trainers.compare.events import PATTERN, event_files, read_events
from trainers.compare.numbers import Curve, time_shares
from trainers.config import dump_settings, load_settings
from trainers.config.loader import CONFIGURATION
from trainers.config.overrides import flatten
from trainers.config.reader import read_source
from trainers.records.metrics import GROUP_REWARD, REWARD
from trainers.records.run_folder import behaviors_by_folder
from trainers.records.run_status import PROGRESS, TIMERS

OURS, THEIRS = "bridge-learn", "mlagents-learn"
FOLDER_SIDES = (OURS, THEIRS)
_NOT_COMPARED = (
    "checkpoint_settings",
    "env_settings.seed",
    "env_settings.base_port",
    "env_settings.env_path",
    "wandb",
)
_START = "checkpoint_settings.initialize_from"
UNREAD = "cannot be read"
"""What a run whose settings are not known has in place of them, under the key `CONFIGURATION`."""
_SEED_SUFFIX = re.compile(r"[-_.]?(seed|s)?[-_.]?\d+$")


@dataclass(frozen=True)
class Run:
    """One run of one behavior.

    Attributes:
        folder: Its run folder.
        side: Its trainer, `bridge-learn` or `mlagents-learn`.
        behavior: The behavior's name.
        seed: Its seed, or None if the configuration has none.
        curves: The curve of each TensorBoard tag. That of the reward includes the group's.
        shares: The share of the time spent on `env`, `policy`, `update` and `other`. None without `timers.json`.
        configuration: Every key as `block.key`, defaults included, except the keys that differ between seeds.
        unknown: The keys of `configuration` that its trainer does not have.
        notes: Remarks for the report.
    """

    folder: Path
    side: str
    behavior: str
    seed: int | None
    curves: dict[str, Curve]
    shares: dict[str, float] | None
    configuration: dict[str, Any]
    unknown: frozenset[str] = frozenset()
    notes: list[str] = field(default_factory=list)


def read_runs(folders: Sequence[Path], behavior: str | None = None) -> list[Run]:
    """Read run folders of either trainer.

    Args:
        folders: Run folders, such as `runs/<id>` or `results/<id>`.
        behavior: The behavior to compare. None: the only one that all runs have.

    Raises:
        UserError: A folder is not a run folder, or is given twice, or the runs do not have exactly one behavior in
            common.
    """
    behaviors = {}
    places: dict[Path, Path] = {}
    for folder in folders:
        with unread_named(folder):
            found = folders_of(folder)
            place = folder.resolve()
        if place in places:
            raise UserError(f"{folder}: is given twice, as {places[place]} before; give each run once")
        behaviors[folder], places[place] = found, folder
    common = set.intersection(*map(set, behaviors.values()))
    if behavior is not None:
        for folder, names in behaviors.items():
            if behavior not in names:
                raise UserError(f"{folder}: has no behavior {behavior}, only {', '.join(names)}")
    elif not common:
        said = "; ".join(f"{folder} has {', '.join(names)}" for folder, names in behaviors.items())
        raise UserError(f"the runs have different behaviors and cannot be compared: {said}")
    elif len(common) > 1:
        raise UserError(
            f"the runs have several behaviors; choose with --behavior: {', '.join(sorted(common))}"
        )
    name = behavior or common.pop()
    runs = []
    for folder in folders:
        with unread_named(folder):
            runs.append(_read_run(folder, name, behaviors[folder][name]))
    return runs


def folders_of(folder: Path) -> dict[str, Path]:
    """Return the behaviors with TensorBoard files in a run folder, and the folder of each.

    Raises:
        UserError: The folder is not a run folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    places = sorted({file.parent for file in folder.glob(f"*/{PATTERN}") if event_files(file.parent)})
    if not places:
        raise UserError(f"{folder}: is not a run folder; it has no <Behavior>/{PATTERN}")
    names: dict[str, str] = {}
    with suppress(UserError):  # without a readable status, the names of the folders are used
        names = behaviors_by_folder(folder)
    return {names.get(place.name, place.name): place for place in places}


def _read_run(folder: Path, behavior: str, place: Path) -> Run:
    events = read_events(place)
    notes = list(events.notes)
    if events.sessions > 1:
        notes.append(
            f"{folder}: trained in {events.sessions} sessions; its time shares are those of the last one"
        )
    tree = _read_settings(folder / CONFIGURATION, notes)
    own = _settings_of(tree or {}, behavior)
    side = OURS if (place / PROGRESS).is_file() else THEIRS
    full, unknown = own, frozenset[str]()
    with suppress(UserError):  # settings that only mlagents-learn accepts are compared without defaults
        settings = load_settings(tree or {})
        full = _settings_of(settings.model_dump(mode="json"), behavior)
        if side == THEIRS:
            shared = yaml.safe_load(dump_settings(settings, for_mlagents=True))
            unknown = frozenset(full) - frozenset(_settings_of(shared, behavior))
    most, last = own.get("max_steps"), max(curve.steps[-1] for curve in events.curves.values())
    if isinstance(most, int) and last < most:
        notes.append(f"{folder}: ended after {last:,} of {most:,} steps")
    compared = {key: value for key, value in full.items() if not key.startswith(_NOT_COMPARED)}
    start = own.get(_START)
    if start is not None:  # each seed may start from its own run
        compared[_START] = stem(Path(str(start)))
    if tree is None:  # no other run is known to have the same settings
        compared, unknown = {CONFIGURATION: f"{folder}: {UNREAD}"}, frozenset()
    return Run(
        folder,
        side,
        behavior,
        own.get("env_settings.seed"),
        _with_group_reward(events.curves),
        _read_shares(folder, notes),
        compared,
        unknown,
        notes,
    )


def _with_group_reward(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """Return the curves with the group's reward added to the own one, at the steps for which there are both."""
    if not {REWARD, GROUP_REWARD} <= curves.keys():
        return dict(curves)
    own, group = curves[REWARD], curves[GROUP_REWARD]
    both, mine, theirs = np.intersect1d(own.steps, group.steps, return_indices=True)
    whole = Curve(both, own.seconds[mine], own.values[mine] + group.values[theirs])
    return {**curves, REWARD: whole} if len(both) else dict(curves)


def _settings_of(tree: Mapping[str, Any], behavior: str) -> dict[str, Any]:
    """Return the configuration of one behavior as one map."""
    behaviors = tree.get("behaviors")
    own = behaviors.get(behavior) if isinstance(behaviors, Mapping) else None
    rest = {key: value for key, value in tree.items() if key not in ("behaviors", "default_settings")}
    for block in (own, tree.get("default_settings")):
        if isinstance(block, Mapping) and block:
            return flatten(block) | flatten(rest)
    return flatten(rest)


def _read_settings(path: Path, notes: list[str]) -> Mapping[str, Any] | None:
    try:
        return read_source(path)[1]
    except UserError as error:
        notes.append(f"{error}; the settings of this run are not compared")
        return None


class _Timer(BaseModel):
    """A timer in the `timers.json` of either trainer."""

    model_config = ConfigDict(strict=True)

    total: FiniteFloat = Field(ge=0)
    children: dict[str, "_Timer"] = {}


def _read_shares(folder: Path, notes: list[str]) -> dict[str, float] | None:
    path = folder / TIMERS
    try:
        return time_shares(_Timer.model_validate_json(path.read_bytes()).model_dump())
    except (OSError, ValueError, ZeroDivisionError):
        notes.append(f"{path}: cannot be read (is the run still going on?); the time shares are left out")
        return None


def stem(folder: Path) -> str:
    """Return a run's id without its seed."""
    return _SEED_SUFFIX.sub("", folder.name) or folder.name
