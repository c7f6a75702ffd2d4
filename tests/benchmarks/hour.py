"""`python -m tests.benchmarks.hour`: what PPO and SAC reach in an hour of one core, from the runs of docs/results.md.

It prints a table and draws `docs/curves/one-hour.png`. No training is run: the curves of `docs/curves` are laid over
time by the mean speed of their runs in `docs/results`.
"""

import csv
import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parents[2] / "docs"
RUNS = {
    "Walker2d-v5": {"PPO": "Walker2d-v5-10M-ppo", "SAC": "Walker2d-v5-sac"},
    "Humanoid-v5": {"PPO": "Humanoid-v5-ppo", "SAC": "Humanoid-v5-sac"},
}
MINUTES = (5, 15, 30, 60)


def curve(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the minutes, (n,), and the mean training returns of the seeds, (n,), of a task's runs."""
    result = json.loads((DOCS / "results" / f"{name}.json").read_text(encoding="utf-8"))
    seconds = result["mean_seconds"] or np.mean([seed["seconds"] for seed in result["seeds"]])
    with (DOCS / "curves" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        rows = np.array([[float(cell or "nan") for cell in row] for row in list(csv.reader(stream))[1:]])
    return rows[:, 0] * seconds / result["steps"] / 60, np.nanmean(rows[:, 1:], axis=1)


def at(minutes: np.ndarray, returns: np.ndarray, moment: float) -> str:
    """Return the mean return at a moment as text; the last one if the runs have ended before."""
    over = " (ended)" if minutes[-1] < moment - 1 else ""
    return f"{np.interp(moment, minutes, returns):,.0f}{over}"


def main() -> None:
    """Print the table and draw the picture."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    print("| task | trainer |", " | ".join(f"{moment} min" for moment in MINUTES), "|")
    print("|---|---|" + "---|" * len(MINUTES))
    for axes, (task, runs) in zip(np.ravel(figure.subplots(1, 2)), RUNS.items(), strict=True):
        for trainer, name in runs.items():
            minutes, returns = curve(name)
            print(f"| {task} | {trainer} |", " | ".join(at(minutes, returns, m) for m in MINUTES), "|")
            axes.plot(minutes, returns, label=trainer)
        axes.set(title=task, xlabel="minutes of one core", xlim=(0, MINUTES[-1]), ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.axes[0].set_ylabel("mean return in training")
    figure.savefig(DOCS / "curves" / "one-hour.png", dpi=80)


if __name__ == "__main__":
    main()
