"""Players of zero cost as files that a trainer can start, and what their times say."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.common import ROOT, SIDES, SkippedError

WALKER = ROOT / "unity_configs" / "unity" / "Walker.yaml"
PATIENCE = 1800.0


def write_player(folder: Path, *arguments: object) -> Path:
    """A file that starts a player of zero cost with these arguments."""
    folder.mkdir(exist_ok=True)
    path = folder / "Player.x86_64"
    command = shlex.join([sys.executable, str(SIDES / "zero_player.py"), *map(str, arguments)])
    path.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {command} "$@"\n')
    path.chmod(0o755)
    return path


def free_ports(count: int) -> int:
    """The first of so many neighbouring ports that nobody listens on."""
    for first in range(21000, 30000, count):
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise SkippedError("no free ports")


def train(command: Sequence[str], agents: int, players: int, steps: int) -> float:
    """Agent steps per second of a trainer with players of zero cost, over whole updates.

    The players count, the same way for every trainer. An update shows in the first player's times as a long wait;
    what counts is the time from the end of the first update to the end of the last, and the agent steps that all
    players served in it.

    Args:
        command: The trainer with its training file; the options that both trainers share are added.
        agents: In each player.
        players: How many.
        steps: Agent steps in all after which to stop.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        player = write_player(folder, "--agents", agents, "--steps", steps // players, "--times", folder)
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
            return steps_per_second([np.load(path) for path in logs])
        finally:
            os.killpg(trainer.pid, signal.SIGKILL)
            trainer.wait()
            time.sleep(1.0)  # the players notice that their trainer is gone


def steps_per_second(logs: Sequence[np.ndarray]) -> float:
    """Agent steps per second between the ends of the first and the last update.

    Args:
        logs: One array per player with rows of time and agent steps served so far.
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
