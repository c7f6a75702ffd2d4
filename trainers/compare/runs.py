"""Run folders of both trainers, and which of them are seeds of the same thing."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gym_adapters.errors import UserError
from trainers.compare.events import PATTERN, Curve, read_events
from trainers.compare.numbers import time_shares
from trainers.config import dump_settings, load_settings
from trainers.records.run_folder import CONFIGURATION, behaviors_by_folder

OURS, THEIRS = "bridge-learn", "mlagents-learn"
FOLDER_SIDES = (OURS, THEIRS)
_NOT_COMPARED = (
    "checkpoint_settings",
    "env_settings.seed",
    "env_settings.base_port",
    "env_settings.env_path",
    "wandb",
)
_SEED_SUFFIX = re.compile(r"[-_.]?(seed|s)?[-_.]?\d+$")


@dataclass(frozen=True)
class Run:
    """One run of one behavior.

    Attributes:
        folder: its run folder.
        side: who trained it, `bridge-learn` or `mlagents-learn`.
        behavior: the behavior's name.
        seed: None where the configuration does not say.
        curves: by TensorBoard tag.
        shares: the part of the time spent on `env`, `policy`, `update` and `other`; None without `timers.json`.
        configuration: every key as `block.key` with defaults filled in, without those of the single run.
        unknown: those of them that its trainer does not know.
        notes: what a reader should know.
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


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only."""

    name: str
    runs: tuple[Run, ...]

    @property
    def side(self) -> str:
        """Who trained them."""
        return self.runs[0].side


def read_runs(folders: Sequence[Path], behavior: str | None = None) -> list[Run]:
    """Read run folders of either trainer.

    Args:
        folders: `runs/<id>` or `results/<id>`.
        behavior: which one to compare; None where every run has the same single one.

    Raises:
        UserError: a folder is no run, or the behaviors differ.
    """
    behaviors = {folder: folders_of(folder) for folder in folders}
    common = set.intersection(*map(set, behaviors.values()))
    if behavior is not None:
        for folder, names in behaviors.items():
            if behavior not in names:
                raise UserError(f"{folder}: has no behavior {behavior}, only {', '.join(names)}")
    elif not common:
        said = "; ".join(f"{folder} has {', '.join(names)}" for folder, names in behaviors.items())
        raise UserError(f"the runs are of different behaviors and cannot be compared: {said}")
    elif len(common) > 1:
        raise UserError(
            f"the runs have several behaviors; choose with --behavior: {', '.join(sorted(common))}"
        )
    name = behavior or common.pop()
    return [_read_run(folder, name, behaviors[folder][name]) for folder in folders]


def folders_of(folder: Path) -> dict[str, Path]:
    """The behaviors that a run folder has TensorBoard files of, and where these are.

    Raises:
        UserError: it is no run folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    places = sorted({file.parent for file in folder.glob(f"*/{PATTERN}")})
    if not places:
        raise UserError(f"{folder}: is no run folder; it has no <Behavior>/{PATTERN}")
    names: dict[str, str] = {}
    with suppress(UserError):  # a status that cannot be read: the folders' names will do
        names = behaviors_by_folder(folder)
    return {names.get(place.name, place.name): place for place in places}


def _read_run(folder: Path, behavior: str, place: Path) -> Run:
    events = read_events(place)
    notes = list(events.notes)
    if events.sessions > 1:
        notes.append(
            f"{folder}: trained in {events.sessions} sessions; its time split is that of the last one"
        )
    tree = _read_yaml(folder / CONFIGURATION, notes)
    own = _settings_of(tree, behavior)
    side = OURS if (place / "progress.csv").is_file() else THEIRS
    full, unknown = own, frozenset[str]()
    with suppress(UserError):  # a trainer that only the other side has: compared as it stands
        settings = load_settings(tree or {})
        full = _settings_of(settings.model_dump(mode="json"), behavior) if tree else own
        if side == THEIRS:
            shared = yaml.safe_load(dump_settings(settings, for_mlagents=True))
            unknown = frozenset(full) - frozenset(_settings_of(shared, behavior))
    most, last = own.get("max_steps"), max(curve.steps[-1] for curve in events.curves.values())
    if isinstance(most, int) and last < most:
        notes.append(f"{folder}: ended after {last:,} of {most:,} steps")
    compared = {key: value for key, value in full.items() if not key.startswith(_NOT_COMPARED)}
    return Run(
        folder,
        side,
        behavior,
        own.get("env_settings.seed"),
        events.curves,
        _read_shares(folder, notes),
        compared,
        unknown,
        notes,
    )


def _settings_of(tree: Mapping[str, Any], behavior: str) -> dict[str, Any]:
    """A configuration as seen by one behavior, flat."""
    behaviors = tree.get("behaviors")
    own = behaviors.get(behavior) if isinstance(behaviors, Mapping) else None
    rest = {key: value for key, value in tree.items() if key not in ("behaviors", "default_settings")}
    return _flatten(own or tree.get("default_settings") or {}) | _flatten(rest)


def _read_yaml(path: Path, notes: list[str]) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        notes.append(f"{path}: cannot be read; its settings are not compared")
        return {}
    return tree if isinstance(tree, dict) else {}


def _read_shares(folder: Path, notes: list[str]) -> dict[str, float] | None:
    path = folder / "run_logs" / "timers.json"
    try:
        return time_shares(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        notes.append(f"{path}: cannot be read (is the run still going on?); its time split is left out")
        return None


def _flatten(tree: Any, above: str = "") -> dict[str, Any]:
    """Nested maps as `a.b.c`; empty ones vanish."""
    if not isinstance(tree, Mapping):
        return {above: tree}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flatten(value, f"{above}.{key}" if above else str(key))
    return flat


def group_runs(runs: Sequence[Run], names: Sequence[str] = ()) -> list[Group]:
    """Put seeds together: runs of one name, or without names, of one trainer with one configuration.

    Raises:
        UserError: there are not as many names as runs.
    """
    if names and len(names) != len(runs):
        raise UserError(f"--names: {len(names)} names for {len(runs)} runs; give one for each, seeds alike")
    groups: list[tuple[tuple[str, Any], list[Run]]] = []
    for index, run in enumerate(runs):
        key = (run.side, names[index] if names else run.configuration)
        known = next((members for other, members in groups if other == key), None)
        if known is None:
            groups.append((key, [run]))
        else:
            known.append(run)
    members = [tuple(found) for _, found in groups]
    if names:
        titles = [str(key[1]) for key, _ in groups]
        titles = [_apart(title, titles, found[0].side) for title, found in zip(titles, members, strict=True)]
    else:
        sides = [found[0].side for found in members]
        titles = [
            side if sides.count(side) == 1 else f"{side}, {_stem(found[0].folder)}"
            for side, found in zip(sides, members, strict=True)
        ]
        titles = [
            title if titles.count(title) == 1 else f"{side}, {found[0].folder.name}"
            for title, side, found in zip(titles, sides, members, strict=True)
        ]
    return [Group(title, found) for title, found in zip(titles, members, strict=True)]


def _apart(title: str, titles: Sequence[str], side: str) -> str:
    return title if titles.count(title) == 1 else f"{title}, {side}"


def _stem(folder: Path) -> str:
    """A run's id without its seed."""
    return _SEED_SUFFIX.sub("", folder.name) or folder.name


def differing_keys(groups: Sequence[Group]) -> dict[str, list[str]]:
    """The keys on which configurations differ, with each group's value as YAML writes it.

    A key that a trainer does not know is taken at its default, and shown as a dash.
    """
    runs = [group.runs[0] for group in groups]
    keys = dict.fromkeys(key for run in runs for key in run.configuration)
    rows = {}
    for key in keys:
        values = [run.configuration.get(key) for run in runs]
        if any(value != values[0] for value in values):
            rows[key] = [
                "–" if key in run.unknown or key not in run.configuration else _as_yaml(value)
                for run, value in zip(runs, values, strict=True)
            ]
    return rows


def _as_yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
