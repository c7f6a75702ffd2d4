"""Players of zero cost as files that a trainer can start, and the speed of a trainer by the players' logs."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.common import ROOT, SIDES, SkippedError

WALKER = ROOT / "unity_configs" / "unity" / "Walker.yaml"
PATIENCE = 1800.0
"""Seconds after which a trainer counts as failed."""


def write_player(folder: Path, *arguments: object, env_id: str | None = None) -> Path:
    """Write a file that starts a player of zero cost, or `bridge.player` with this environment, and return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / "Player.x86_64"
    program = [str(SIDES / "zero_player.py")] if env_id is None else ["-m", "bridge.player", "--env", env_id]
    command = shlex.join([sys.executable, *program, *map(str, arguments)])
    path.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {command} "$@"\n')
    path.chmod(0o755)
    return path


def free_ports(count: int) -> int:
    """Return the first of `count` consecutive ports on which no process listens.

    Raises:
        SkippedError: there are none.
    """
    for first in range(21000, 30000, count):
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise SkippedError("no free ports")


def train(
    command: Sequence[str],
    agents: int,
    players: int,
    steps: int,
    pause: float = 0.0,
    rate: Callable[[Sequence[np.ndarray]], float] | None = None,
) -> float:
    """Run a trainer with players, and return its agent steps per second.

    The players count the steps, in the same way for every trainer.

    Args:
        command: the trainer with its training file; the options that both trainers share are added.
        agents: agents per player.
        players: number of players.
        steps: total number of agent steps.
        pause: seconds that a player takes for a step.
        rate: returns the steps per second from the players' logs; None: `steps_per_second`.

    Raises:
        SkippedError: the trainer failed or took too long.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = ["--agents", agents, "--steps", steps // players, "--times", folder, "--pause", pause]
        player = write_player(folder, *wanted)
        options = [
            "--env",
            player,
            "--num-envs",
            players,
            "--base-port",
            free_ports(players),
            "--no-graphics",
        ]
        options += ["--run-id", "speed", "--results-dir", folder / "results", "--torch-device", "cpu"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with (folder / "log").open("wb") as log:
            trainer = subprocess.Popen(
                [*command, *map(str, options)],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + PATIENCE
            while len(logs := sorted(folder.glob("*.npy"))) < players:
                time.sleep(0.2)
                if trainer.poll() is not None or time.monotonic() > deadline:
                    raise SkippedError(f"{command[0]}: {(folder / 'log').read_text()[-1500:]}")
            return (rate or steps_per_second)([np.load(path) for path in logs])
        finally:
            os.killpg(trainer.pid, signal.SIGKILL)
            trainer.wait()
            time.sleep(1.0)  # time for the players to notice that their trainer has ended


def steps_per_second(logs: Sequence[np.ndarray]) -> float:
    """Return agent steps per second between the ends of the first and the last update.

    An update shows in the first player's log as a long wait. The steps of all players in that time count.

    Args:
        logs: one array per player, whose rows are a time in seconds and the agent steps so far.

    Raises:
        SkippedError: the log of the first player shows fewer than two updates.
    """
    times = logs[0][:, 0]
    waits = np.diff(times)
    updates = times[1:][waits > waits[10:].max() / 3]
    updates = updates[updates > times[10]]
    if len(updates) < 2:
        raise SkippedError("too few updates to measure between")
    start, stop = updates[0], updates[-1]
    served = [np.diff(np.interp([start, stop], log[:, 0], log[:, 1]))[0] for log in logs]
    return float(sum(served) / (stop - start))
