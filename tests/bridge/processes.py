"""Players as real processes, and ports for them."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds; a busy machine may take a while to start a process
PLAYER = Path(__file__).with_name("scripted_player.py")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """`python ARGUMENTS` as long as the block lasts; it gets five seconds to leave, then it is killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])}
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
        process.wait(5)
    finally:
        if process.poll() is None:
            process.kill()
        assert process.stdout is not None
        process.stdout.close()
        process.wait(5)


def write_player(folder: Path, *arguments: object) -> Path:
    """An executable file that runs Python with these arguments and those that it is given."""
    path = folder / "Player.x86_64"
    paths = f"{ROOT}:{Path(__file__).parent}"
    command = " ".join(f"'{argument}'" for argument in (sys.executable, *arguments))
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{paths}" exec {command} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
