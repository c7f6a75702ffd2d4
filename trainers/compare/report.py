"""The content of a comparison, which the terminal and the page show."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trainers.compare import numbers
from trainers.compare.groups import Group, differing_keys
from trainers.compare.numbers import Curve, Spread
from trainers.compare.runs import Run
from trainers.records.metrics import EPISODE_LENGTH, REWARD

ENTROPY, POLICY_LOSS, VALUE_LOSS = "Policy/Entropy", "Losses/Policy Loss", "Losses/Value Loss"
CHARTS = (REWARD, EPISODE_LENGTH, ENTROPY, POLICY_LOSS, VALUE_LOSS)
"""The tags that the page plots."""


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        key: Name of the row in the code.
        label: Name of the row in the table.
        cells: The figure of each group.
        style: Format of the figures: `number`, `share` or `seconds`.
    """

    key: str
    label: str
    cells: tuple[Spread, ...]
    style: str = "number"


@dataclass(frozen=True)
class Section:
    """A comparison of groups.

    Attributes:
        title: Heading.
        groups: The groups that are compared.
        rows: Rows of the table.
        differences: The keys whose values differ, with the value of each group.
        sentences: Summary of the comparison.
    """

    title: str
    groups: tuple[Group, ...]
    rows: tuple[Row, ...]
    differences: dict[str, list[str]]
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All comparisons of a report.

    Attributes:
        title: Heading.
        sections: One section, or one for each experiment.
        notes: Remarks about the runs.
    """

    title: str
    sections: tuple[Section, ...]
    notes: list[str] = field(default_factory=list)


def make_section(title: str, groups: Sequence[Group]) -> Section:
    """Return the comparison of groups. Their levels of reward lie between the first and the best of all these runs."""
    return Section(title, tuple(groups), tuple(measure(groups)), differing_keys(groups))


def make_report(groups: Sequence[Group]) -> Report:
    """Return a report with one section of all groups."""
    behavior = groups[0].runs[0].behavior
    return Report(behavior, (make_section(behavior, groups),), notes_of(groups))


def notes_of(groups: Sequence[Group]) -> list[str]:
    """Return the notes of all runs without duplicates."""
    return list(dict.fromkeys(note for group in groups for run in group.runs for note in run.notes))


def measure(groups: Sequence[Group]) -> list[Row]:
    """Return the rows of the table that have a figure for at least one group."""
    rewards = [run.curves[REWARD] for group in groups for run in group.runs if REWARD in run.curves]
    rows = [_row(groups, "final", "final reward", _of(REWARD, numbers.final))]
    rows.append(_row(groups, "best", "best reward", _of(REWARD, numbers.best)))
    rows.append(_row(groups, "fall", "fall from best to final", _of(REWARD, numbers.fall)))
    levels = numbers.reach_levels(rewards) if rewards else {}
    for share, level in levels.items():
        label = f"agent steps to {share:.0%}, reward {level:,.4g}"
        rows.append(_row(groups, f"steps_{share:.0%}", label, _reaching(level, 0)))
    for share, level in levels.items():
        label = f"time to {share:.0%}, reward {level:,.4g}"
        rows.append(_row(groups, f"seconds_{share:.0%}", label, _reaching(level, 1), "seconds"))
    rows.append(_row(groups, "speed", "agent steps per second", _speed))
    for part in ("env", "policy", "update", "other"):
        label = f"time in {part}" if part != "other" else "time elsewhere"
        rows.append(_row(groups, f"share_{part}", label, _share(part), "share"))
    rows.append(_row(groups, "length", "episode length at the end", _of(EPISODE_LENGTH, numbers.final)))
    rows.append(_row(groups, "entropy", "entropy at the end", _of(ENTROPY, numbers.final)))
    rows.append(_row(groups, "policy_loss", "policy loss at the end", _of(POLICY_LOSS, numbers.final)))
    rows.append(_row(groups, "value_loss", "value loss at the end", _of(VALUE_LOSS, numbers.final)))
    return [row for row in rows if any(cell.values for cell in row.cells)]


Measure = Callable[[Run], float | None]


def _row(groups: Sequence[Group], key: str, label: str, figure: Measure, style: str = "number") -> Row:
    cells = []
    for group in groups:
        values = [figure(run) for run in group.runs]
        cells.append(Spread(tuple(value for value in values if value is not None and not math.isnan(value))))
    return Row(key, label, tuple(cells), style)


def _of(tag: str, figure: Callable[[Curve], float]) -> Measure:
    return lambda run: figure(run.curves[tag]) if tag in run.curves else None


def _reaching(level: float, which: int) -> Measure:
    """Return the measure of the agent steps (`which` 0) or seconds (1) until the reward reaches a level."""
    return _of(REWARD, lambda curve: numbers.first_reaching(curve, level)[which])


def _speed(run: Run) -> float | None:
    longest = max(run.curves.values(), key=lambda curve: curve.steps[-1], default=None)
    return None if longest is None else numbers.speed(longest)


def _share(part: str) -> Measure:
    return lambda run: None if run.shares is None else run.shares[part]


def show(cell: Spread, style: str = "number") -> str:
    """Format a figure for the tables: the median, and the range of several seeds."""
    if not cell.values:
        return "–"
    if cell.finite < len(cell.values):
        reached = f"{cell.finite} of {len(cell.values)}" if len(cell.values) > 1 else ""
        if math.isinf(cell.median):
            return f"not reached ({reached})" if cell.finite else "not reached"
        return f"{_figure(cell.median, style)} ({reached})"
    if len(cell.values) == 1:
        return _figure(cell.median, style)
    low, high = _figure(cell.low, style), _figure(cell.high, style)
    return f"{_figure(cell.median, style)} ({low} … {high})"


def _figure(value: float, style: str) -> str:
    if style == "share":
        return f"{value:.0%}"
    if style == "seconds":
        return f"{value:,.0f} s" if value >= 10 else f"{value:.1f} s"
    if abs(value) >= 1000 or (value == int(value) and abs(value) < 1e15):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"
