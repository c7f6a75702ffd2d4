"""Pictures of training: `reward.png` and `losses.png` of one run, and the curves of several runs."""

import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from gym_adapters.files import write_atomically
from trainers.records.metrics import (
    ELO,
    EPISODE_LENGTH,
    EVALUATION_RETURN,
    GROUP_REWARD,
    REWARD,
    REWARD_DEVIATION,
)

COLUMNS = 2
REWARD_PLOTS = {
    REWARD: "mean return of training episodes",
    GROUP_REWARD: "mean return of groups",
    ELO: "Elo rating",
    EPISODE_LENGTH: "episode length, decisions",
}
LOSS_PLOTS = {
    "Losses/Policy Loss": "policy loss",
    "Losses/Value Loss": "value loss",
    "Policy/Entropy": "entropy, nats",
    "Policy/epsilon": "chance of a random action",
    "Policy/Learning Rate": "learning rate",
}
ALWAYS = (REWARD, EPISODE_LENGTH)
"""Tags that have a plot before they have a value; the others are those of some algorithms and tasks."""
MARKED = (REWARD, GROUP_REWARD, ELO)
"""Tags whose highest value is marked."""
LOGARITHMIC = ("Losses/Policy Loss", "Losses/Value Loss")
"""Tags that are drawn on a logarithmic scale, if all their values are positive."""
SPREAD_FROM = 3
"""Runs from which a band says more than a curve for each."""


def draw_plots(rows: Sequence[Mapping[str, str]], folder: Path, title: str) -> None:
    """Draw `reward.png` and `losses.png`; each tag is a curve over agent steps.

    Only tags that have values are drawn. The mean return has its deviation over the episodes as a band. It, the return
    of groups and the Elo rating have a mark at their highest value. Evaluations while training are a curve beside the
    return.

    Args:
        rows: lines of `progress.csv` by column name; an empty cell leaves a gap.
        folder: where the images go.
        title: stands above the pictures.
    """
    for name, plots in (("reward.png", REWARD_PLOTS), ("losses.png", LOSS_PLOTS)):
        save_figure(_drawn(plots, rows, title), folder / name)


def reward_picture(rows: Sequence[Mapping[str, str]], title: str) -> bytes:
    """Return what `reward.png` holds; see `draw_plots`."""
    return _png(_drawn(REWARD_PLOTS, rows, title))


def _drawn(plots: Mapping[str, str], rows: Sequence[Mapping[str, str]], title: str) -> Figure:
    curves = {tag: _curve(rows, tag) for tag in plots}
    shown = {tag: curve for tag, curve in curves.items() if tag in ALWAYS or len(curve[0])} or curves
    figure, places = new_grid(len(shown))
    for axes in places[len(shown) :]:
        axes.remove()
    for axes, (tag, (steps, values)) in zip(places, shown.items(), strict=False):
        axes.plot(steps, values, marker="." if len(steps) < 3 else "")
        if tag == REWARD and len(steps):
            _add_band(axes, rows)
            _add_evaluations(axes, rows)
        if tag in MARKED and len(steps):
            _mark_highest(axes, steps, values)
        if tag in LOGARITHMIC and len(values) and values.min() > 0.0:
            axes.set_yscale("log")
        _label(axes, "agent steps", plots[tag])
    figure.suptitle(title, parse_math=False)
    return figure


def draw_curves(
    title: str, curves: Mapping[str, Mapping[int, float]], path: Path, over: str = "agent steps"
) -> None:
    """Draw mean training returns of several runs.

    Args:
        title: stands above the picture.
        curves: for each run's label, the mean return by agent step.
        path: the .png to write.
        over: the label of the x axis.
    """
    figure = new_figure(7, 4)
    axes = figure.subplots()
    for label, curve in curves.items():
        axes.plot(list(curve), list(curve.values()), label=label)
    axes.set(title=title)
    _label(axes, over, "mean return of training episodes")
    axes.legend()
    save_figure(figure, path)


def draw_seeds(title: str, curves: Mapping[int, Mapping[int, float]], path: Path) -> None:
    """Draw the runs of one task: their mean and the band from the lowest to the highest, or each of up to two runs.

    Args:
        title: stands above the picture.
        curves: for each run's seed, the mean return by agent step.
        path: the .png to write.
    """
    if len(curves) < SPREAD_FROM:
        draw_curves(title, {f"seed {seed}": curve for seed, curve in curves.items()}, path)
        return
    start, end = max(map(min, curves.values())), min(map(max, curves.values()))
    steps = np.linspace(start, end, 400)
    runs = np.stack([np.interp(steps, list(curve), list(curve.values())) for curve in curves.values()])
    figure = new_figure(7, 4)
    axes = figure.subplots()
    axes.fill_between(steps, runs.min(0), runs.max(0), alpha=0.25, linewidth=0, label="lowest to highest")
    axes.plot(steps, runs.mean(0), label=f"mean of {len(runs)} seeds")
    axes.set(title=title)
    _label(axes, "agent steps", "mean return of training episodes")
    axes.legend(loc="upper left")
    save_figure(figure, path)


def _curve(rows: Sequence[Mapping[str, str]], tag: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the agent steps and values of a tag, without the empty cells."""
    points = [(float(row["step"]), float(row[tag])) for row in rows if row.get(tag)]
    steps, values = np.array(points, np.float64).reshape(-1, 2).T
    return steps, values


def _add_band(axes: Axes, rows: Sequence[Mapping[str, str]]) -> None:
    both = [row for row in rows if row.get(REWARD) and row.get(REWARD_DEVIATION)]
    steps, means = _curve(both, REWARD)
    deviations = _curve(both, REWARD_DEVIATION)[1]
    axes.fill_between(steps, means - deviations, means + deviations, alpha=0.2, linewidth=0)


def _add_evaluations(axes: Axes, rows: Sequence[Mapping[str, str]]) -> None:
    steps, means = _curve(rows, EVALUATION_RETURN)
    if len(steps):
        axes.plot(steps, means, marker=".", color="tab:orange", label="evaluation")


def _mark_highest(axes: Axes, steps: np.ndarray, values: np.ndarray) -> None:
    best = int(np.argmax(values))
    axes.plot(steps[best], values[best], "o", color="tab:green", label=f"best: {values[best]:,.4g}")
    axes.legend(loc="best")


def _label(axes: Axes, over: str, label: str) -> None:
    axes.set(xlabel=over, ylabel=label)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(alpha=0.3)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches; pictures of one size share one figure.

    A figure holds megabytes in reference cycles. A training loop makes few objects, so Python's garbage collector runs
    seldom and new figures would pile up.
    """
    figure = _kept_figure(width, height)
    figure.clear()
    return figure


def new_grid(count: int) -> tuple[Figure, list[Axes]]:
    """An empty figure of at least so many plots, `COLUMNS` in a line, and these plots."""
    lines = -(-count // COLUMNS)
    figure = new_figure(5 * COLUMNS, 3.2 * lines)
    return figure, list(figure.subplots(lines, COLUMNS, squeeze=False).flat)


@cache
def _kept_figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as .png; the file is replaced atomically."""
    image = _png(figure)
    write_atomically(path, lambda stream: stream.write(image))


def _png(figure: Figure) -> bytes:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=90)
    return image.getvalue()
