"""Make lines of `docs/results.md` again: `python -m trainers.benchmark [TASK ...] [--seeds 0,1,2]`.

A task is a Gymnasium id, or the name of another tuned file such as Walker2d-v5-10M, trained with PPO, or `a2c/<task>`
or `dqn/<task>`; without any, every tuned file is one. Each seed is a run of its own
(`<results-dir>/<task>-<trainer>-seed<k>`), trained with the task's file and then evaluated; a run that is finished
already is only evaluated. The curves of all seeds are drawn into one picture.
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
from gym_adapters.vector_env import GAME_SCORE
from trainers.config import load_settings
from trainers.playback.evaluation import evaluate
from trainers.records.checkpoint import write_text
from trainers.records.metrics import REWARD
from trainers.records.plots import draw_curves
from trainers.records.policy_file import load_policy
from trainers.training.environments import tuned_files

TRAINERS = ("ppo", "a2c", "dqn")
EVALUATION_SEED = 10000
EVALUATION_SEEDS = {("a2c", "Pendulum-v1"): 210114487, ("ppo", "Pendulum-v1"): 1708180417}
"""Episode i is seeded with this plus i; the two of Pendulum-v1 are those of earlier published figures."""
EPISODES = 20


@dataclass(frozen=True)
class Task:
    """What is trained, with which algorithm, and with which file if not the environment's own."""

    env_id: str
    trainer_type: str
    file: Path | None = None

    @property
    def title(self) -> str:
        """Name of its curves and, with the seed, of its runs."""
        name = self.file.stem if self.file else behavior_name(self.env_id)
        return f"{name}-{self.trainer_type}"


@dataclass(frozen=True)
class SeedResult:
    """One trained seed: training seconds, agent steps, the 20 returns, and the lines of its `progress.csv`."""

    seed: int
    seconds: float
    steps: int
    returns: list[float]
    progress: list[dict[str, str]]


def parse_task(text: str) -> Task:
    """`Walker2d-v5`, `Walker2d-v5-10M`, `ALE/Assault-v5` or `a2c/Pendulum-v1` as a task; PPO unless it says another."""
    first, _, rest = text.partition("/")
    name, trainer_type = (rest, first) if first in TRAINERS else (text, "ppo")
    files = {path.stem: path for path in tuned_files(trainer_type)}
    return _task_of(files[name], trainer_type) if name in files else Task(name, trainer_type)


def tuned_tasks() -> list[Task]:
    """Every tuned training file as a task."""
    return [_task_of(path, trainer_type) for trainer_type in TRAINERS for path in tuned_files(trainer_type)]


def _task_of(path: Path, trainer_type: str) -> Task:
    env_id = str(load_settings(path).env_settings.env_path)
    return Task(env_id, trainer_type, None if path.stem == behavior_name(env_id) else path)


def run_seed(task: Task, seed: int, results: Path, extra: Sequence[str]) -> SeedResult:
    """Train one seed in a process of its own, unless its run is there already, and evaluate its final policy.

    Raises:
        UserError: training failed.
    """
    name, trainer_type = behavior_name(task.env_id), task.trainer_type
    run_id = f"{task.title}-seed{seed}"
    folder = results / run_id
    if not (folder / "run_logs" / "timers.json").is_file():
        what = [str(task.file)] if task.file else ["--env", task.env_id]
        command = [sys.executable, "-m", f"trainers.{trainer_type}", *what, "--seed", str(seed)]
        command += ["--run-id", run_id, "--results-dir", str(results), "--force", *extra]
        if subprocess.run(command, check=False).returncode != 0:
            raise UserError(f"training stopped with an error: {' '.join(command)}")
    with (folder / name / "progress.csv").open(newline="", encoding="utf-8") as stream:
        progress = list(csv.DictReader(stream))
    policy = load_policy(folder)
    first = EVALUATION_SEEDS.get((trainer_type, task.env_id), EVALUATION_SEED)
    env = make_env(task.env_id, EPISODES, first)
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
    tag = GAME_SCORE if GAME_SCORE in progress[0] else REWARD
    return {int(row["step"]): float(row[tag]) for row in progress if row[tag]}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m trainers.benchmark", description=__doc__.splitlines()[0])
    parser.add_argument(
        "tasks",
        nargs="*",
        type=parse_task,
        metavar="TASK",
        help="Gymnasium id or tuned file, or TRAINER/task. Default: every tuned file.",
    )
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated. Default: 0,1,2.")
    parser.add_argument("--results-dir", type=Path, default=Path("runs"), help="Default: runs.")
    parser.add_argument("--out", type=Path, default=Path("docs", "curves"), help="Default: docs/curves.")
    arguments, extra = parser.parse_known_args(argv)
    try:
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
    except ValueError:
        parser.error(f"--seeds {arguments.seeds}: expected whole numbers, such as 0,1,2")
    try:
        for task in arguments.tasks or tuned_tasks():
            start = time.strftime("%Y-%m-%d")
            results = [run_seed(task, seed, arguments.results_dir, extra) for seed in seeds]
            write_curves(task.title, results, arguments.out)
            curves = arguments.out / task.title
            print(f"{task.title}, {start}\n\n{table(results)}\n\ncurves: {curves}.csv and .png\n", flush=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
