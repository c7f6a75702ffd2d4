"""Pictures of training: `reward.png` and `losses.png` of one run, and the curves of several runs."""

import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from trainers.records.checkpoint import write_atomically
from trainers.records.metrics import EPISODE_LENGTH, REWARD

COLUMNS = 2
REWARD_PLOTS = {REWARD: "mean return of training episodes", EPISODE_LENGTH: "episode length, decisions"}
LOSS_PLOTS = {
    "Losses/Policy Loss": "policy loss",
    "Losses/Value Loss": "value loss",
    "Policy/Entropy": "entropy, nats",
    "Policy/Learning Rate": "learning rate",
}


def draw_plots(rows: Sequence[Mapping[str, str]], folder: Path) -> None:
    """Draw `reward.png` and `losses.png`; each tag is a curve over agent steps.

    Args:
        rows: lines of `progress.csv` by column name; an empty cell leaves a gap.
        folder: where the images go.
    """
    for name, plots in (("reward.png", REWARD_PLOTS), ("losses.png", LOSS_PLOTS)):
        lines = (len(plots) + 1) // COLUMNS
        figure = _figure(5 * COLUMNS, 3.2 * lines)
        for axes, (tag, label) in zip(figure.subplots(lines, COLUMNS).flat, plots.items(), strict=True):
            points = [(float(row["step"]), float(row[tag])) for row in rows if row.get(tag)]
            axes.plot(
                [step for step, _ in points],
                [value for _, value in points],
                marker="." if len(points) < 3 else "",
            )
            axes.set(xlabel="agent steps", ylabel=label)
            axes.grid(alpha=0.3)
        figure.suptitle(folder.name, parse_math=False)
        _save(figure, folder / name)


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
    figure = _figure(7, 4)
    axes = figure.subplots()
    for label, curve in curves.items():
        axes.plot(list(curve), list(curve.values()), label=label)
    axes.set(title=title, xlabel=over, ylabel="mean return of training episodes")
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def _figure(width: float, height: float) -> Figure:
    """An empty figure, in inches; pictures of one size share one figure.

    A figure holds megabytes in reference cycles. A training loop makes few objects, so Python's garbage collector runs
    seldom and new figures would pile up.
    """
    figure = _kept_figure(width, height)
    figure.clear()
    return figure


@cache
def _kept_figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=90)
    write_atomically(path, lambda stream: stream.write(image.getvalue()))
