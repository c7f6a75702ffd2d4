"""Train tasks for `docs/results.md`: `python -m trainers.benchmark [TASK ...] [--seeds 0,1,2]`, or `--table`.

A task is a Gymnasium id, or the name of another tuned file such as Walker2d-v5-10M. It is trained with PPO, or as
`sac/<task>` with SAC, and so on. Without a task, every tuned file is trained, except those for PettingZoo: a game has
no score without an opponent (`python -m trainers.evaluate RUN --against OTHER` plays such games). Each seed is a run
of its own (`<results-dir>/<task>-<trainer>-seed<k>`), trained with the task's file and then evaluated with the same
`env_options`, but for whole games. A finished run is only evaluated, and an interrupted one is resumed. The scores of
all seeds go to `docs/results/<task>-<trainer>.json`, and their curves to one picture in `docs/curves/`. `--table`
trains nothing and writes the tables of `docs/results.md`.
"""

import argparse
import csv
import os
import platform
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from gym_adapters.commands import program_name
from gym_adapters.errors import UserError, closed_after, exit_status
from gym_adapters.files import write_text
from gym_adapters.make import behavior_name, make_env
from gym_adapters.pettingzoo import is_pettingzoo
from gym_adapters.vector_env import GAME_SCORE
from trainers.config import catalogue, load_settings
from trainers.config.loader import CONFIGURATION
from trainers.config.options import path_option
from trainers.playback.evaluation import evaluate
from trainers.playback.results_table import (
    Evaluation,
    SeedScore,
    TaskScores,
    save_scores,
    seed_table,
    write_page,
)
from trainers.playback.run_environment import environment_of
from trainers.records.checkpoint import NEWEST
from trainers.records.metrics import REWARD
from trainers.records.names import behavior_folder
from trainers.records.plots import draw_seeds
from trainers.records.policy_file import load_policy
from trainers.records.reports import csv_text
from trainers.records.run_status import PROGRESS, has_finished
from trainers.training.default_files import tuned_files
from trainers.training.evaluation import EVALUATION_SEED

EVALUATION_SEEDS = {("a2c", "Pendulum-v1"): 210114487, ("ppo", "Pendulum-v1"): 1708180417}
"""The seed of an evaluation's episode 0; for Pendulum-v1 it is that of earlier published figures."""
EPISODES = 20


@dataclass(frozen=True)
class Task:
    """An environment, an algorithm, and a training file if it is not the environment's own."""

    env_id: str
    trainer_type: str
    file: Path | None = None

    @property
    def name(self) -> str:
        """The task as the command takes it, without the algorithm."""
        return self.file.stem if self.file else self.env_id

    @property
    def title(self) -> str:
        """The name of its scores and curves, and with the seed that of its runs."""
        return f"{self.file.stem if self.file else behavior_name(self.env_id)}-{self.trainer_type}"

    @property
    def first_seed(self) -> int:
        """The seed of an evaluation's episode 0; episode i is seeded with this plus i."""
        return EVALUATION_SEEDS.get((self.trainer_type, self.env_id), EVALUATION_SEED)


@dataclass(frozen=True)
class SeedResult:
    """One trained seed: its score, the lines of its `progress.csv`, and the day it was trained on."""

    score: SeedScore
    progress: list[dict[str, str]]
    date: str


def parse_task(text: str) -> Task:
    """Read a task such as `Walker2d-v5`, `Walker2d-v5-10M`, `ALE/Assault-v5` or `a2c/Pendulum-v1`; default PPO.

    Raises:
        ArgumentTypeError: it is a PettingZoo environment.
    """
    first, _, rest = text.partition("/")
    named = first in catalogue.algorithm_names()
    name, trainer_type = (rest, first) if named else (text, catalogue.DEFAULT)
    files = {path.stem: path for path in tuned_files(trainer_type)}
    task = _task_of(files[name], trainer_type) if name in files else Task(name, trainer_type)
    if is_pettingzoo(task.env_id):
        raise ArgumentTypeError(
            f"{text}: expected a Gymnasium environment, not PettingZoo's; train it, and measure it with "
            "trainers.evaluate"
        )
    return task


def tuned_tasks() -> list[Task]:
    """Every tuned training file as a task, except those for PettingZoo."""
    tasks = [
        _task_of(path, trainer_type)
        for trainer_type in catalogue.algorithm_names()
        for path in tuned_files(trainer_type)
    ]
    return [task for task in tasks if not is_pettingzoo(task.env_id)]


def _task_of(path: Path, trainer_type: str) -> Task:
    env_id = str(load_settings(path).env_settings.env_path)
    return Task(env_id, trainer_type, None if path.stem == behavior_name(env_id) else path)


def run_seed(task: Task, seed: int, results: Path, extra: Sequence[str]) -> SeedResult:
    """Train one seed in a process of its own, unless its run is finished already, and evaluate its final policy.

    Raises:
        UserError: training failed, or was stopped.
        KeyboardInterrupt: somebody asked to stop; the run is saved.
    """
    folder = results / f"{task.title}-seed{seed}"
    newest = behavior_folder(folder, behavior_name(task.env_id)) / NEWEST
    if not _is_finished(folder):
        command = [sys.executable, "-m", "trainers", "--run-id", folder.name, "--results-dir", str(results)]
        if newest.is_file():
            command.append("--resume")  # its own settings
        else:
            command += [str(task.file)] if task.file else ["--env", task.env_id]
            command += ["--set", f"behaviors.*.trainer_type={task.trainer_type}"]
            command += ["--seed", str(seed), "--force", *extra]
        if _run(command) != 0:
            raise UserError(f"training stopped with an error: {' '.join(command)}")
        if not _is_finished(folder):
            raise UserError(
                f"{folder}: stopped before its last step; run the same command again to resume it"
            )
    with (newest.parent / PROGRESS).open(newline="", encoding="utf-8") as stream:
        progress = list(csv.DictReader(stream))
    policy = load_policy(folder)
    env_id, options = environment_of(newest, trust=True)  # as when it is trained or resumed
    with closed_after(make_env(env_id, EPISODES, task.first_seed, options)) as env:
        returns = evaluate(env, policy)
    score = SeedScore(
        seed=seed,
        steps=policy.step,
        seconds=round(float(progress[-1]["seconds"])),
        mean_return=round(float(np.mean(returns)), 1),
        std=round(float(np.std(returns)), 1),
    )
    return SeedResult(score, progress, date.fromtimestamp(newest.stat().st_mtime).isoformat())


def _is_finished(folder: Path) -> bool:
    """Whether a run has had all its agent steps or has learned enough; an interrupted run has the same files."""
    configuration = folder / CONFIGURATION
    return configuration.is_file() and has_finished(folder, load_settings(configuration))


def _run(command: Sequence[str]) -> int:
    """Run a training. Ctrl-C reaches the training too, and is raised here when the training has saved."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise


def task_scores(task: Task, results: Sequence[SeedResult], extra: Sequence[str]) -> TaskScores:
    """The scores of all seeds, with the protocol and this machine."""
    return TaskScores(
        task=task.name,
        trainer=task.trainer_type,
        date=max(result.date for result in results),
        machine=_machine(),
        steps=max(result.score.steps for result in results),
        evaluation=Evaluation(episodes=EPISODES, first_seed=task.first_seed),
        seeds=[result.score for result in results],
        options=list(extra),
    )


def _machine() -> str:
    """Processor, cores, GPU, and the versions of the packages that results depend on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU only"
    versions = ", ".join(
        f"{package} {metadata.version(package)}" for package in ("torch", "mujoco", "gymnasium")
    )
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {device}, {versions}"


def write_curves(title: str, results: Sequence[SeedResult], folder: Path) -> None:
    """Write `<title>.csv` (step, then one column of mean training return per seed) and `<title>.png`."""
    curves = {result.score.seed: _curve(result.progress) for result in results}
    rows: list[list[object]] = [["step", *(f"seed {seed}" for seed in curves)]]
    for step in sorted(set().union(*curves.values())):
        rows.append([step, *(f"{curve[step]:.1f}" if step in curve else "" for curve in curves.values())])
    write_text(folder / f"{title}.csv", csv_text(rows))
    draw_seeds(title, curves, folder / f"{title}.png")


def _curve(progress: Sequence[Mapping[str, str]]) -> dict[int, float]:
    tag = GAME_SCORE if GAME_SCORE in progress[0] else REWARD
    return {int(row["step"]): float(row[tag]) for row in progress if row[tag]}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says; returns the exit status."""
    parser = _parser()
    arguments, extra = parser.parse_known_args(argv)
    try:
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
    except ValueError:
        parser.error(f"--seeds {arguments.seeds}: expected whole numbers, such as 0,1,2")
    if arguments.table and (arguments.tasks or extra):
        parser.error("--table takes no task and no option but --out")
    try:
        if arguments.table:
            write_page(arguments.out / "results.md", arguments.out / "results")
            return 0
        for task in arguments.tasks or tuned_tasks():
            results = [run_seed(task, seed, arguments.results_dir, extra) for seed in seeds]
            scores = task_scores(task, results, extra)
            file, curves = arguments.out / "results" / f"{task.title}.json", arguments.out / "curves"
            save_scores(file, scores)
            write_curves(task.title, results, curves)
            print(f"{scores.heading}, {scores.date}\n\n{seed_table(scores)}\n")
            print(f"scores: {file}\ncurves: {curves / task.title}.csv and .png\n", flush=True)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to resume", file=sys.stderr)
        return 130
    except BaseException as error:  # libraries in other languages raise their own
        return exit_status(error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program_name("trainers.benchmark"),
        description="Train and evaluate tasks, and draw them.",
        epilog="Further options are those of a training, such as --max-steps 500000.",
    )
    parser.add_argument(
        "tasks",
        nargs="*",
        type=parse_task,
        metavar="TASK",
        help="Gymnasium id or tuned file, or TRAINER/task. Default: every tuned file.",
    )
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated. Default: 0,1,2.")
    parser.add_argument("--results-dir", type=path_option, default=Path("runs"), help="Default: runs.")
    parser.add_argument(
        "--out",
        type=path_option,
        default=Path("docs"),
        help="folder of curves/, results/ and results.md. Default: docs.",
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="train nothing; write the tables of results.md from results/*.json",
    )
    return parser
