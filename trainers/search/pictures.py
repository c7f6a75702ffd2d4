"""The picture of a search: the value of each trial, and the values over each key."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from trainers.records.plots import new_grid, save_figure
from trainers.search.result import COMPLETE, ENDED_EARLY, Result
from trainers.search.space import Search

MOST_KEYS = 15
"""Keys that are drawn."""
MARKS = {COMPLETE: "o", ENDED_EARLY: "x"}


def draw_trials(title: str, trials: Sequence[Result], search: Search, path: Path) -> None:
    """Draw the trials that have a value: over their numbers with the best value so far, and over each key's values.

    Args:
        title: stands above the picture.
        trials: all trials of a study.
        search: the search.
        path: the .png to write.
    """
    shown = [trial for trial in trials if trial.state in MARKS and trial.value is not None]
    space = search.file.space
    keys = list(space)[:MOST_KEYS]
    figure, (history, *places) = new_grid(1 + len(keys))
    _add(history, shown, {trial.number: float(trial.number) for trial in shown})
    complete = [trial for trial in shown if trial.state == COMPLETE]
    best = np.maximum.accumulate([trial.value or 0.0 for trial in complete])
    history.step([trial.number for trial in complete], best, where="post", label="best so far")
    history.set_xlabel("trial")
    history.xaxis.set_major_locator(MaxNLocator(integer=True))
    history.legend()
    for key, axes in zip(keys, places, strict=False):
        parameter, having = space[key], [trial for trial in shown if key in trial.values]
        if parameter.choices is None:
            _add(axes, having, {trial.number: float(trial.values[key]) for trial in having})
            axes.set_xscale("log" if parameter.log else "linear")
            axes.set_xlim(parameter.low, parameter.high)
        else:
            texts = list(parameter.texts)
            _add(axes, having, {trial.number: float(texts.index(trial.values[key])) for trial in having})
            axes.set_xticks(range(len(texts)), [text[:20] for text in texts], parse_math=False)
        axes.set_xlabel(key, parse_math=False, fontsize="small")
    for axes in (history, *places[: len(keys)]):
        axes.set_ylabel(search.unit)
    for axes in places[len(keys) :]:
        axes.set_axis_off()
    figure.suptitle(title, parse_math=False)
    save_figure(figure, path)


def _add(axes: Axes, trials: Sequence[Result], places: Mapping[int, float]) -> None:
    for state, mark in MARKS.items():
        of_state = [trial for trial in trials if trial.state == state]
        values = [trial.value or 0.0 for trial in of_state]
        axes.plot([places[trial.number] for trial in of_state], values, mark, label=state, markersize=4)
    axes.grid(alpha=0.3)
