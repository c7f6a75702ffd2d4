"""`reward.png` and `losses.png`, drawn from the lines of `progress.csv`."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainers.checkpoint import write_atomically
from trainers.metrics import EPISODE_LENGTH, REWARD

REWARD_PLOTS = {REWARD: "mean return of training episodes", EPISODE_LENGTH: "episode length, decisions"}
LOSS_PLOTS = {
    "Losses/Policy Loss": "policy loss",
    "Losses/Value Loss": "value loss",
    "Policy/Entropy": "entropy, nats",
    "Policy/Learning Rate": "learning rate",
}


def draw_plots(rows: Sequence[Mapping[str, str]], folder: Path) -> None:
    """Draw both images into `folder`; each tag is a curve over agent steps.

    Args:
        rows: lines of `progress.csv` by column name; an empty cell leaves a gap.
        folder: where the images go.
    """
    for name, plots in (("reward.png", REWARD_PLOTS), ("losses.png", LOSS_PLOTS)):
        _draw(rows, plots, folder / name, folder.name)


def _draw(rows: Sequence[Mapping[str, str]], plots: Mapping[str, str], path: Path, title: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 2
    lines = (len(plots) + 1) // columns
    figure = Figure(figsize=(5 * columns, 3.2 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (tag, label) in zip(figure.subplots(lines, columns).flat, plots.items(), strict=True):
        points = [(float(row["step"]), float(row[tag])) for row in rows if row.get(tag)]
        axes.plot(*zip(*points, strict=True), marker="." if len(points) < 3 else "") if points else None
        axes.set_xlabel("agent steps")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    figure.suptitle(title)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=100)
    write_atomically(path, lambda stream: stream.write(image.getvalue()))
