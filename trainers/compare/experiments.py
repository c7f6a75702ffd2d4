"""Experiments: variants of a training file, and their effects on reward, speed and stability."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field

from trainers.compare.groups import Group, differing_keys
from trainers.compare.numbers import Spread
from trainers.compare.plan import Plan, Variant, load_variant
from trainers.compare.report import Report, Row, Section, make_section, notes_of
from trainers.compare.runs import FOLDER_SIDES, Run
from trainers.config.base import Count, SentCountOrZero, Settings
from trainers.config.dump import as_yaml
from trainers.config.loader import load_block

BASE = "base"


class ExperimentFile(Settings):
    """The file of `--experiments`."""

    env: str = Field(description="Gymnasium or PettingZoo id, or path of a Unity player.")
    agents: Count = Field(default=10, description="Environments, if env is an id.")
    seeds: tuple[SentCountOrZero, ...] = Field(
        default=(0, 1), min_length=1, description="Seeds of each variant."
    )
    base: str = Field(description="Training file, relative to this file.")
    set: dict[str, object] = Field(
        default_factory=dict, description="Changed keys of all runs, and their values."
    )
    variants: dict[str, dict[str, object]] = Field(
        description="Further changed keys of each variant, and their values.", min_length=1
    )


@dataclass(frozen=True)
class Experiments:
    """Variants and their base.

    Attributes:
        title: Heading of the report.
        plan: The runs to train. The first variant is the base.
    """

    title: str
    plan: Plan


def load_experiments(
    path: Path,
    out: Path,
    mlagents_learn: str | None,
    env: str | None = None,
    seeds: Sequence[int] | None = None,
    agents: int | None = None,
    overrides: Sequence[str] = (),
) -> Experiments:
    """Read a file of experiments. The other arguments take precedence over its content.

    Raises:
        UserError: The file cannot be read or is invalid.
    """
    _, file = load_block(path, ExperimentFile, "a file of experiments (.yaml)")
    base, env = path.parent / file.base, env or file.env
    variants = []
    for name, own in {BASE: {}, **file.variants}.items():
        changes = [f"{key}={as_yaml(value)}" for key, value in [*file.set.items(), *own.items()]]
        variants.append(load_variant(slug(name), base, [*changes, *overrides], env))
    plan = Plan(tuple(variants), env, agents or file.agents, tuple(seeds or file.seeds), mlagents_learn, out)
    return Experiments(f"{path.stem}: experiments on {env}", plan)


def slug(name: str) -> str:
    """Return a name as a part of file names: letters, digits and hyphens."""
    return "-".join("".join(letter if letter.isalnum() else " " for letter in name).split())


def experiment_report(experiments: Experiments, runs: Sequence[Run]) -> Report:
    """Return a report with a section for each variant, which compares it with the base for both trainers.

    Args:
        experiments: The experiments.
        runs: The runs of the plan that exist.
    """
    plan = experiments.plan
    names = {plan.folder(*job): job for job in plan.jobs()}
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        side, variant, _ = names[run.folder]
        groups.setdefault((variant.name, side), []).append(run)
    made = {
        key: Group(f"{key[0].replace('-', ' ')}, {key[1]}", tuple(members)) for key, members in groups.items()
    }
    sections = []
    for variant in plan.variants[1:]:
        wanted = [(name, side) for name in (plan.variants[0].name, variant.name) for side in FOLDER_SIDES]
        present = [made[key] for key in wanted if key in made]
        if present:
            section = make_section(variant.name.replace("-", " "), present)
            sections.append(_with_summary(section, variant, made, plan.variants[0]))
    return Report(experiments.title, tuple(sections), notes_of(list(made.values())))


def _with_summary(
    section: Section, variant: Variant, made: dict[tuple[str, str], Group], base: Variant
) -> Section:
    rows = {row.key: row for row in section.rows}
    names = [group.name for group in section.groups]
    sentences = []
    for side in FOLDER_SIDES:
        pair = [made.get((name, side)) for name in (base.name, variant.name)]
        if pair[0] is None or pair[1] is None:
            sentences.append(f"{side}: not trained yet, so there is nothing to compare.")
            continue
        if not sentences:
            changes = differing_keys([pair[0], pair[1]])
            said = ", ".join(f"{key} {old} → {new}" for key, (old, new) in changes.items())
            sentences.append(f"What changed: {said or 'nothing'}.")
        at = names.index(pair[0].name), names.index(pair[1].name)
        sentences.append(f"{side}: {effect(rows, at)}")
    return replace(section, sentences=tuple(sentences))


def effect(rows: dict[str, Row], at: tuple[int, int]) -> str:
    """Return the effect of a variant on final reward, speed and stability as a sentence.

    Args:
        rows: Rows of the table by key.
        at: Columns of the base and of the variant.
    """
    parts = []
    for key, what in (("final", "final reward"), ("speed", "steps per second")):
        if key in rows:
            parts.append(f"{what} {change(rows[key].cells[at[0]], rows[key].cells[at[1]])}")
    if "final" in rows and "fall" in rows:
        parts.append(stability(*(rows[key].cells[place] for key in ("final", "fall") for place in at)))
    return "; ".join(parts) + "."


def change(base: Spread, variant: Spread) -> str:
    """Return two medians, their ratio, and whether the ranges of the seeds overlap, in words."""
    if not base.values or not variant.values:
        return "is not known"
    before, after = base.median, variant.median
    percent = f" ({after / before - 1:+.0%})" if before > 0 and after > 0 else ""
    told = f"{_short(before)} → {_short(after)}{percent}"
    count = min(len(base.values), len(variant.values))
    if count < 2:
        return f"{told}, with one seed"
    return f"{told}, {'seeds overlap' if base.overlaps(variant) else 'seeds do not overlap'}"


def stability(base: Spread, variant: Spread, base_fall: Spread, variant_fall: Spread) -> str:
    """Return the ranges of the final rewards and the falls from the best to the final reward, in words."""
    fell = f"runs end {_short(base_fall.median)} → {_short(variant_fall.median)} below their best"
    if min(len(base.values), len(variant.values)) < 2:
        return fell
    return f"seeds lie {_short(base.high - base.low)} → {_short(variant.high - variant.low)} apart, {fell}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
