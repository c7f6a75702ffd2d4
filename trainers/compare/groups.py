"""Groups runs by settings, and says in which settings groups differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gym_adapters.errors import UserError
from trainers.compare.runs import UNREAD, Run, stem
from trainers.config.dump import as_yaml
from trainers.config.loader import CONFIGURATION


@dataclass(frozen=True)
class Group:
    """Runs of one trainer that count as seeds of one setting."""

    name: str
    runs: tuple[Run, ...]

    @property
    def side(self) -> str:
        """The trainer of the runs."""
        return self.runs[0].side


def group_runs(runs: Sequence[Run], names: Sequence[str] = ()) -> list[Group]:
    """Group the runs of each trainer by name, or without names by configuration.

    Raises:
        UserError: The number of names differs from the number of runs.
    """
    if names and len(names) != len(runs):
        raise UserError(
            f"--names: {len(names)} names for {len(runs)} runs; give one name for each, the same for all seeds"
        )
    groups: dict[tuple[str, str], list[Run]] = {}
    for index, run in enumerate(runs):
        key = (run.side, names[index] if names else as_yaml(run.configuration))
        groups.setdefault(key, []).append(run)
    firsts = [members[0] for members in groups.values()]
    if names:
        titles = _distinct([name for _, name in groups], [f"{name}, {side}" for side, name in groups])
    else:
        stems = [f"{run.side}, {stem(run.folder)}" for run in firsts]
        ids = [f"{run.side}, {run.folder.name}" for run in firsts]
        folders = [f"{run.side}, {run.folder}" for run in firsts]
        titles = _distinct(_distinct(_distinct([run.side for run in firsts], stems), ids), folders)
    return [Group(title, tuple(members)) for title, members in zip(titles, groups.values(), strict=True)]


def _distinct(titles: Sequence[str], longer: Sequence[str]) -> list[str]:
    """Return the titles, and the longer title in place of each title that occurs more than once."""
    return [title if titles.count(title) == 1 else long for title, long in zip(titles, longer, strict=True)]


def differing_keys(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return the keys whose values differ, with each group's value as YAML, or values if its runs have several.

    A key that a trainer does not have counts as its default and is shown as a dash. So does a key of a run whose
    settings cannot be read.
    """
    runs = [run for group in groups for run in group.runs]
    keys = dict.fromkeys(key for run in runs for key in run.configuration)
    rows = {}
    if any(CONFIGURATION in run.configuration for run in runs):
        rows[CONFIGURATION] = _cells(
            groups, lambda run: UNREAD if CONFIGURATION in run.configuration else "–"
        )
        del keys[CONFIGURATION]
    known = [run for run in runs if CONFIGURATION not in run.configuration]
    for key in keys:
        values = [run.configuration.get(key) for run in known]
        if any(value != values[0] for value in values):
            rows[key] = _cells(groups, partial(_shown, key))
    return rows


def _cells(groups: Sequence[Group], shown: Callable[[Run], str]) -> list[str]:
    """Return what is shown of each group's runs, each text once."""
    return [" or ".join(dict.fromkeys(map(shown, group.runs))) for group in groups]


def _shown(key: str, run: Run) -> str:
    there = key in run.configuration and key not in run.unknown
    return as_yaml(run.configuration[key]) if there else "–"
