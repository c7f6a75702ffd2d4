"""Make a line of `docs/results.md` again: `python -m trainers.benchmark Walker2d-v5 [--seeds 0,1,2]`.

Each seed is a run of its own (`<results-dir>/<task>-<trainer>-seed<k>`), trained with the task's tuned file and then
evaluated; a run that is finished already is only evaluated. The curves of all seeds are drawn into one picture.
"""

import argparse
import csv
import io
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gym_adapters.errors import UserError
from gym_adapters.make import behavior_name, make_env
from trainers.checkpoint import write_text
from trainers.evaluate import evaluate
from trainers.metrics import REWARD
from trainers.plots import draw_curves
from trainers.policy_file import load_policy

EVALUATION_SEED = 10000
EPISODES = 20


@dataclass(frozen=True)
class SeedResult:
    """One trained seed: training seconds, agent steps, the 20 returns, and the lines of its `progress.csv`."""

    seed: int
    seconds: float
    steps: int
    returns: list[float]
    progress: list[dict[str, str]]


def run_seed(env_id: str, trainer_type: str, seed: int, results: Path, extra: Sequence[str]) -> SeedResult:
    """Train one seed in a process of its own, unless its run is there already, and evaluate its final policy.

    Raises:
        UserError: training failed.
    """
    name = behavior_name(env_id)
    run_id = f"{name}-{trainer_type}-seed{seed}"
    folder = results / run_id
    if not (folder / "run_logs" / "timers.json").is_file():
        command = [sys.executable, "-m", f"trainers.{trainer_type}", "--env", env_id, "--seed", str(seed)]
        command += ["--run-id", run_id, "--results-dir", str(results), "--force", *extra]
        if subprocess.run(command, check=False).returncode != 0:
            raise UserError(f"training stopped with an error: {' '.join(command)}")
    with (folder / name / "progress.csv").open(newline="", encoding="utf-8") as stream:
        progress = list(csv.DictReader(stream))
    policy = load_policy(folder)
    env = make_env(env_id, EPISODES, EVALUATION_SEED)
    try:
        returns = evaluate(env, policy)
    finally:
        env.close()
    return SeedResult(seed, float(progress[-1]["seconds"]), policy.step, returns, progress)


def table(results: Sequence[SeedResult]) -> str:
    """A Markdown table, one line per seed and the mean over seeds."""
    lines = ["| seed | steps | training seconds | mean return | std over episodes |", "|---|---|---|---|---|"]
    for result in results:
        mean, std = np.mean(result.returns), np.std(result.returns)
        lines.append(
            f"| {result.seed} | {result.steps:,} | {result.seconds:.0f} | {mean:,.1f} | {std:,.1f} |"
        )
    means = [np.mean(result.returns) for result in results]
    lines.append(f"| mean | | {np.mean([r.seconds for r in results]):.0f} | {np.mean(means):,.1f} | |")
    return "\n".join(lines)


def write_curves(title: str, results: Sequence[SeedResult], folder: Path) -> None:
    """Write `<title>.csv` (step, then one column of mean training return per seed) and `<title>.png`."""
    curves = {result.seed: _curve(result.progress) for result in results}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", *(f"seed {seed}" for seed in curves)])
    for step in sorted(set().union(*curves.values())):
        writer.writerow([step, *(f"{curve[step]:.1f}" if step in curve else "" for curve in curves.values())])
    write_text(folder / f"{title}.csv", text.getvalue())
    draw_curves(title, {f"seed {seed}": curve for seed, curve in curves.items()}, folder / f"{title}.png")


def _curve(progress: Sequence[Mapping[str, str]]) -> dict[int, float]:
    return {int(row["step"]): float(row[REWARD]) for row in progress if row[REWARD]}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m trainers.benchmark", description=__doc__.splitlines()[0])
    parser.add_argument("task", help="Gymnasium id")
    parser.add_argument("--trainer", default="ppo", choices=["ppo", "a2c", "dqn"], help="Default: ppo.")
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated. Default: 0,1,2.")
    parser.add_argument("--results-dir", type=Path, default=Path("runs"), help="Default: runs.")
    parser.add_argument("--out", type=Path, default=Path("docs", "curves"), help="Default: docs/curves.")
    arguments, extra = parser.parse_known_args(argv)
    start = time.strftime("%Y-%m-%d")
    try:
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
        results = [
            run_seed(arguments.task, arguments.trainer, s, arguments.results_dir, extra) for s in seeds
        ]
    except ValueError:
        parser.error(f"--seeds {arguments.seeds}: expected whole numbers, such as 0,1,2")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    title = f"{behavior_name(arguments.task)}-{arguments.trainer}"
    write_curves(title, results, arguments.out)
    print(f"{title}, {start}\n\n{table(results)}\n\ncurves: {arguments.out / title}.csv and .png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
