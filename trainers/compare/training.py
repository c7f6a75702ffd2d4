"""Training the runs of a comparison one after the other, over Unity's protocol."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import bridge
from bridge.child_processes import apart, interrupt, kill
from bridge.ports import free_ports
from bridge.process import find_player, looks_like_player
from gym_adapters.errors import UserError
from gym_adapters.files import write_text
from trainers.compare.plan import FOLDERS, Plan, Variant, max_steps
from trainers.compare.progress import Progress
from trainers.compare.runs import OURS, THEIRS
from trainers.config import dump_settings
from trainers.records.run_status import has_finished

PATIENCE = 60.0
"""Seconds in which an interrupted trainer may save its run. Further interrupts in that time have no effect."""

_STEP = re.compile(r"\. Step: (\d+)\. Time Elapsed")
_REWARDS = re.compile(r"Mean (?:Group )?Reward: (-?[\d.]+)\.")


def train_all(plan: Plan) -> None:
    """Train the runs of a plan that are not finished. Interrupted runs are resumed.

    Raises:
        UserError: The player or `mlagents-learn` is missing, or a trainer stopped with an error.
        KeyboardInterrupt: The training was interrupted. The current run is saved.
    """
    player = _player(plan)
    _write_files(plan)
    todo = [job for job in plan.jobs() if not has_finished(plan.folder(*job), job[1].settings)]
    if any(side == THEIRS for side, _, _ in todo):
        check_mlagents_learn(plan.mlagents_learn)
    with Progress(len(plan.jobs()), len(plan.jobs()) - len(todo)) as progress, terminated_as_interrupted():
        for side, variant, seed in todo:
            name = f"{side}, {variant.name}, seed {seed}"
            progress.begin(name, max_steps(variant.settings))
            _train(plan, side, variant, seed, player, progress)
            if not has_finished(plan.folder(side, variant, seed), variant.settings):
                raise UserError(f"{name}: ended early; see {_log(plan, side, variant, seed)}")
            progress.finish()


def check_mlagents_learn(program: str | None) -> None:
    """Check that a program is a working `mlagents-learn`.

    Raises:
        UserError: The program does not exist or does not work.
    """
    if program is None:
        raise UserError("give the program of mlagents-learn: --mlagents-learn /path/to/bin/mlagents-learn")
    found = shutil.which(program)
    if found is None:
        raise UserError(f"--mlagents-learn {program}: no such program")
    try:
        answer = subprocess.run([found, "--help"], capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"--mlagents-learn {program}: cannot be run: {error}") from None
    if "trainer_config_path" not in answer.stdout:
        said = (answer.stderr.strip().splitlines() or ["its --help has no trainer_config_path"])[-1]
        raise UserError(f"--mlagents-learn {program}: is not a working mlagents-learn: {said}")


def _write_files(plan: Plan) -> None:
    """Write the training files of both trainers."""
    for variant in plan.variants:
        for side in FOLDERS:
            path = _config(plan, side, variant)
            _write(path, dump_settings(variant.settings, for_mlagents=side == THEIRS), "other settings")


def _write(path: Path, text: str, otherwise: str) -> None:
    """Write a file, or raise an error if one with another text is there, which has what `otherwise` says."""
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise UserError(f"{path}: has {otherwise}; choose another folder with --out, or delete the file")
    write_text(path, text)


def _config(plan: Plan, side: str, variant: Variant) -> Path:
    return plan.out / "files" / f"{variant.name}-{side}.yaml"


def _log(plan: Plan, side: str, variant: Variant, seed: int) -> Path:
    return plan.out / "logs" / f"{variant.name}-seed{seed}-{side}.log"


def _player(plan: Plan) -> Path:
    """Return the player that both trainers start: the given one, or a script that runs an environment."""
    if looks_like_player(plan.env):
        found = find_player(plan.env)
        if found is None:
            raise UserError(f"--env {plan.env}: no such player; give the path of a built player")
        return found
    if sys.platform == "win32":
        raise UserError(
            "--train with an environment's id needs Linux or macOS; docs/unity.md runs both by hand"
        )
    from bridge.player import check_environment, parse

    arguments = ["--env", plan.env, "--agents", str(plan.agents)]
    for variant in plan.variants:
        check_environment(parse([*arguments, *(variant.settings.env_settings.env_args or ())]))
    path = (plan.out / "files" / "Player.x86_64").absolute()
    command = shlex.join([sys.executable, "-m", "bridge.player", *arguments])
    text = f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(_home()))} exec {command} "$@"\n'
    _write(path, text, "another --env or --agents")
    path.chmod(0o755)
    return path


def _home() -> Path:
    """Return the folder that holds the packages of this project."""
    return Path(bridge.__file__).resolve().parents[1]


def surroundings() -> dict[str, str]:
    """Return the environment variables of a process that runs the packages of this project."""
    path = os.pathsep.join(filter(None, [str(_home()), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": path}


def _train(plan: Plan, side: str, variant: Variant, seed: int, player: Path, progress: Progress) -> None:
    folder, log = plan.folder(side, variant, seed), _log(plan, side, variant, seed)
    config = _config(plan, side, variant)
    program = [sys.executable, "-m", "trainers"] if side == OURS else [str(plan.mlagents_learn)]
    command = [*program, str(config), "--env", str(player), "--seed", str(seed)]
    command += ["--run-id", folder.name, "--results-dir", str(folder.parent)]
    command += ["--base-port", str(free_ports(variant.settings.env_settings.num_envs))]
    if any(folder.glob("*/checkpoint.pt")):
        command.append("--resume")
    elif folder.exists():
        command.append("--force")
    environment = surroundings()
    if side != OURS:
        environment.pop("PYTHONPATH", None)
    code = _follow(command, environment, log, progress)
    if code:
        raise UserError(
            f"{side}, {folder.name}: stopped with exit status {code}; the end of {log}: {last_line(log)}"
        )


def last_line(log: Path) -> str:
    """Return the last line that a trainer printed to its log."""
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "no output"


def _follow(command: Sequence[str], environment: dict[str, str], log: Path, progress: Progress) -> int:
    """Run a trainer, show its summaries and log its output. After Ctrl-C, wait until it has saved its run."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"$ {shlex.join(command)}\n")
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            **apart(),  # Ctrl-C reaches only this process, which then interrupts the trainer
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                stream.write(line)
                step, rewards = _STEP.search(line), _REWARDS.findall(line)
                if step:
                    progress.summary(int(step[1]), sum(map(float, rewards)) if rewards else None)
            return process.wait()
        except KeyboardInterrupt:
            with _handled(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM):
                progress.say("stopping; the trainer saves the run …")
                interrupt(process)
                try:
                    rest, _ = process.communicate(timeout=PATIENCE)
                    stream.write(rest)
                except subprocess.TimeoutExpired:
                    progress.say(f"the trainer did not stop within {PATIENCE:.0f} s and was killed")
            raise
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill what is left of a trainer, players included."""
    kill(process)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
    time.sleep(0.2)  # until its port is free


def terminated_as_interrupted() -> AbstractContextManager[None]:
    """Make SIGTERM raise KeyboardInterrupt, as Ctrl-C does."""
    return _handled(signal.default_int_handler, signal.SIGTERM)


@contextmanager
def _handled(
    handler: Callable[[int, FrameType | None], Any] | signal.Handlers, *numbers: signal.Signals
) -> Iterator[None]:
    """Handle these signals in this context, and restore their former handlers at its end."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
