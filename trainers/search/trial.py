"""One trial: the trainings of its seeds, side by side, each in a process of its own."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bridge.child_processes import kill
from bridge.ports import free_ports
from bridge.process import looks_like_player
from gym_adapters.errors import refusal_named
from gym_adapters.files import write_text
from gym_adapters.vector_env import GAME_SCORE
from trainers.compare.numbers import Curve, best, final
from trainers.compare.training import PATIENCE, last_line, surroundings
from trainers.config import RunSettings, dump_settings
from trainers.optim.launch import NEEDED
from trainers.records.metrics import ELO, GROUP_REWARD, REWARD
from trainers.records.names import behavior_folder
from trainers.records.reports import is_summary, read_progress
from trainers.records.run_status import PROGRESS, has_finished

MEASURES = {"final": final, "best": best}
POLL_SECONDS = 0.2


class TrialError(Exception):
    """A training of the trial failed. The message says which one and why."""


@dataclass
class SeedRun:
    """The training of one seed.

    Attributes:
        seed: Its seed.
        folder: Its run folder.
        log: The file with its output.
        process: Its process.
    """

    seed: int
    folder: Path
    log: Path
    process: subprocess.Popen[bytes]

    def curve(self, behavior: str | None) -> Curve | None:
        """Return the value of every summary so far, see `_value`; None before the first.

        It is NaN until an episode has ended; then a summary without an episode repeats the one before.

        Raises:
            TrialError: The environment has several behaviors, and none was chosen.
        """
        files = [*self.folder.glob(f"*/{PROGRESS}")]
        if behavior is not None:
            files = [behavior_folder(self.folder, behavior) / PROGRESS]
        if len(files) > 1:
            names = ", ".join(sorted(file.parent.name for file in files))
            raise TrialError(f"there are several behaviors; set behavior to one of {names}")
        try:
            rows = [row for row in read_progress(files[0])[0] if is_summary(row)] if files else []
        except FileNotFoundError:
            rows = []
        if not rows:
            return None
        values = [_value(row) for row in rows]
        for index in range(1, len(values)):
            if values[index] is None:
                values[index] = values[index - 1]
        numbers = np.array([np.nan if value is None else value for value in values])
        steps, seconds = (np.array([float(row[key]) for row in rows]) for key in ("step", "seconds"))
        return Curve(steps, seconds, numbers)


def train_seeds(
    settings: RunSettings,
    seeds: Sequence[int],
    folder: Path,
    measure: str,
    behavior: str | None,
    report: Callable[[int, float], None],
) -> dict[int, float]:
    """Train each seed of a trial and return its measure.

    Args:
        settings: The settings of the trial.
        seeds: The seeds.
        folder: The folder of the trial. Gets the training file, run folders and logs.
        measure: A key of `MEASURES`.
        behavior: The behavior to measure. None: the only one.
        report: Takes the number of a summary, from 1, and the mean of all seeds at it. What it raises ends the trial.

    Raises:
        TrialError: A training failed, or its returns are not finite numbers.
        UserError: A file cannot be written.
    """
    with refusal_named(folder):
        write_text(folder / "training.yaml", dump_settings(settings))
    runs: list[SeedRun] = []
    try:
        for seed in seeds:
            runs.append(_start(settings, seed, folder))
        curves = _follow(runs, behavior, report)
    finally:
        _stop(runs)
    values = {}
    for run, curve in zip(runs, curves, strict=True):
        if not has_finished(run.folder, settings):
            raise TrialError(f"seed {run.seed}: was stopped before its last step")
        values[run.seed] = MEASURES[measure](_since_first(curve, run))
        if not np.isfinite(values[run.seed]):
            raise TrialError(f"seed {run.seed}: a return is not a finite number")
    return values


def _start(settings: RunSettings, seed: int, folder: Path) -> SeedRun:
    name, log = f"seed{seed}", folder / f"seed{seed}.log"
    command = [sys.executable, "-m", "trainers", str(folder / "training.yaml"), "--seed", str(seed)]
    command += ["--run-id", name, "--results-dir", str(folder), "--force"]
    if looks_like_player(settings.env_settings.env_path):
        command += ["--base-port", str(free_ports(settings.env_settings.num_envs))]
    environment = {name: value for name, value in surroundings().items() if name not in NEEDED}
    with refusal_named(log), log.open("wb") as stream:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        )
    return SeedRun(seed, folder / name, log, process)


def _follow(
    runs: Sequence[SeedRun], behavior: str | None, report: Callable[[int, float], None]
) -> list[Curve | None]:
    """Report every summary that all runs have reached, until all have ended; returns their curves."""
    reported = 0
    while True:
        codes = [run.process.poll() for run in runs]
        for run, code in zip(runs, codes, strict=True):
            if code:
                raise TrialError(
                    f"seed {run.seed}: exit status {code}; the end of {run.log}: {last_line(run.log)}"
                )
        curves = [run.curve(behavior) for run in runs]
        common = min(0 if curve is None else len(curve.values) for curve in curves)
        for index in range(reported, common):
            mean = statistics.fmean(curve.values[index] for curve in curves if curve is not None)
            if np.isfinite(mean):
                report(index + 1, mean)
        reported = common
        if None not in codes:
            return curves
        time.sleep(POLL_SECONDS)


def _stop(runs: Sequence[SeedRun]) -> None:
    """End the trainings that still run. They may save for a while, and then they are killed."""
    going = [run.process for run in runs if run.process.poll() is None]
    try:
        for process in going:
            process.terminate()
        end = time.monotonic() + PATIENCE
        for process in going:
            process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        pass
    finally:
        for process in going:
            if process.poll() is None:
                kill(process)
                process.wait()


def _since_first(curve: Curve | None, run: SeedRun) -> Curve:
    """Return a curve without the summaries before the first episode ended.

    Raises:
        TrialError: No episode has ended.
    """
    ended = np.zeros(0, bool) if curve is None else ~np.isnan(curve.values)
    if curve is None or not ended.any():
        raise TrialError(f"seed {run.seed}: no episode ended; raise max_steps")
    first = int(np.argmax(ended))
    return Curve(curve.steps[first:], curve.seconds[first:], curve.values[first:])


def _value(row: dict[str, str]) -> float | None:
    """Return what a summary is measured by; None without an episode.

    It is the Elo rating of a behavior with self-play, else the mean game score, else the mean own plus group return.
    """
    for tag in (ELO, GAME_SCORE):
        if row.get(tag):
            return float(row[tag])
    found = [float(row[tag]) for tag in (REWARD, GROUP_REWARD) if row.get(tag) and ELO not in row]
    return sum(found) if found else None
