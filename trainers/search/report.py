"""What a search leaves: a table of its best trials, `best.yaml`, `trials.csv` and `trials.png`."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gym_adapters.errors import refusal_named
from gym_adapters.files import write_text
from gym_adapters.text import one_line
from trainers.config import dump_settings
from trainers.records.reports import csv_text
from trainers.search.result import Result, ranked, short, shown
from trainers.search.space import Search

SHOWN = 10
"""Trials in the table."""


def write_results(trials: Sequence[Result], search: Search, name: str, out: Path) -> list[Path]:
    """Write what a search leaves, and return the paths of the files.

    Args:
        trials: All trials of the study.
        search: The search.
        name: The name of the study.
        out: The folder.

    Raises:
        UserError: A file cannot be written.
    """
    best, paths = ranked(trials)[:1], [out / "trials.csv"]
    with refusal_named(out):
        write_text(paths[0], _csv_text(trials, search))
        if best:
            paths = [out / "best.yaml", *paths, out / "trials.png"]
            write_text(paths[0], _best_text(best[0], search, name))
            # Here, because matplotlib takes a while to import.
            from trainers.search.pictures import draw_trials

            draw_trials(name, trials, search, paths[-1])
    return paths


def _best_text(best: Result, search: Search, name: str) -> str:
    """Return the training file of the best trial."""
    seeds = ", ".join(f"{value:,.6g}" for value in best.seeds)
    head = f"# Trial {best.number} of the study {one_line(name)}: {search.file.measure} {search.unit} {best.value:,.6g}"
    return f"{head} (seeds: {seeds}).\n{dump_settings(search.settings(best.texts))}"


def _csv_text(trials: Sequence[Result], search: Search) -> str:
    keys, seeds = list(search.file.space), search.file.seeds
    rows: list[list[object]] = [
        ["trial", "state", "value", *(f"seed {seed}" for seed in seeds), "seconds", *keys, "reason"]
    ]
    for trial in trials:
        measured = trial.seeds or (None,) * len(seeds)
        numbers = [
            "" if number is None else f"{number:.8g}" for number in (trial.value, *measured, trial.seconds)
        ]
        values = [trial.texts.get(key, "") for key in keys]
        rows.append([trial.number, trial.state, *numbers, *values, trial.reason])
    return csv_text(rows)


def print_table(trials: Sequence[Result], search: Search, console: Console) -> None:
    """Print the best trials, and how many trials there are of each state."""
    states = Counter(sorted(trial.state for trial in trials))
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    best = ranked(trials)[:SHOWN]
    if not best:
        console.print(Text(f"No trial is complete: {counts or 'there is none'}"))
        return
    table = Table(
        title=f"Best trials by {search.file.measure} {search.unit}",
        caption=counts,
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("trial", "mean", "lowest … highest seed", *map(short, search.file.space)):
        table.add_column(Text(one_line(heading)), justify="right")
    for trial in best:
        spread = f"{min(trial.seeds):,.4g} … {max(trial.seeds):,.4g}" if trial.seeds else ""
        values = [shown(trial.values.get(key, "")) for key in search.file.space]
        table.add_row(*map(Text, (str(trial.number), f"{trial.value:,.4g}", spread, *map(one_line, values))))
    console.print(table)
