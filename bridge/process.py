"""Finds, starts, watches and ends the process of a built player."""

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypeGuard

import gymnasium

from bridge.child_processes import apart, kill
from gym_adapters.errors import UserError
from gym_adapters.pettingzoo import is_pettingzoo
from gym_adapters.text import one_line

LOG_LINES, LINE_LETTERS, LOG_BYTES = 20, 200, 2**16
"""What is shown of a log's end, and how much of it is read for that."""
SUFFIXES = ("", ".x86_64", ".x86", ".exe", ".app")


def find_player(path: str | Path) -> Path | None:
    """Find the program that a player's path means; None if there is none.

    The path may lack the suffix of the platform. A macOS bundle means the program in it.
    """
    for suffix in SUFFIXES:
        candidate = Path(f"{path}{suffix}")
        if candidate.is_file():
            return candidate.absolute()
        programs = sorted(candidate.glob("Contents/MacOS/*")) if candidate.suffix == ".app" else []
        if programs:
            return programs[0].absolute()
    return None


def player_inside(folder: Path) -> Path | None:
    """Return the player in the folder of a build; None if there is none, or if it is no folder."""
    if not folder.is_dir():
        return None
    found = sorted(one for suffix in SUFFIXES[1:] for one in folder.glob(f"*{suffix}"))
    players = [one for one in found if not one.name.startswith("UnityCrashHandler")]  # beside each .exe
    return players[0] if players else None


def is_env_id(env_path: str | None) -> TypeGuard[str]:
    """Whether an `env_path` names an environment of Gymnasium or PettingZoo: neither a player nor None, the Editor."""
    return env_path is not None and not looks_like_player(env_path)


def looks_like_player(path: str | None) -> TypeGuard[str]:
    """Whether an `env_path` is a player's path, existing or not, rather than a Gymnasium id such as ALE/Assault-v5.

    An id needs no version if it is registered or if a module to import stands before it, as in `package:games/Chess`.
    `mpe2/simple_spread_v3` is a PettingZoo environment, unless there is such a file.
    """
    if path is None or (is_pettingzoo(path) and not Path(path).exists()):
        return False
    if path in gymnasium.registry or re.fullmatch(r"[A-Za-z_][\w.]+:[^\\]+", path):
        return False
    return (
        Path(path).is_absolute()
        or path.startswith((".", "~"))
        or Path(path).suffix in SUFFIXES[1:]
        or "\\" in path
        or ("/" in path and re.fullmatch(r"[^/]+/[^/]+-v\d+", path) is None)
        or find_player(path) is not None
        or player_inside(Path(path)) is not None
    )


class PlayerProcess:
    """A running player.

    Args:
        path: The player's path, for `find_player`.
        arguments: Its command line arguments.
        log: The file for what it prints, which may also be Unity's own log; None discards it.

    Raises:
        UserError: It cannot be started.
    """

    def __init__(self, path: str | Path, arguments: Sequence[str], log: Path | None) -> None:
        program = find_player(path)
        if program is None:
            inside = player_inside(Path(path))
            advice = (
                "the path of a built player" if inside is None else f"the player in this folder: {inside}"
            )
            raise UserError(f"--env {path}: no such player; give {advice}")
        self.name, self.log = program.name, log
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
        # Append mode keeps the log from before a restart.
        output = subprocess.DEVNULL if log is None else log.open("ab")
        try:
            self._process = subprocess.Popen(
                [str(program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                **apart(),  # Ctrl-C reaches only the trainer, which then ends the player
            )
        except OSError as error:
            hint = _remedy(program, error)
            raise UserError(f"--env {path}: cannot be started ({error.strerror}); {hint}") from error
        finally:
            if not isinstance(output, int):
                output.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the process runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> bool:
        """Wait for the process to end, and return whether it did."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def obituary(self) -> str:
        """Describe how the process ended, with the last lines of its log."""
        code = self.exit_code or 0
        killed = f" ({signal.Signals(-code).name})" if -code in set(signal.Signals) else ""
        return f"exited with code {code}{killed}{self.last_words()}"

    def last_words(self) -> str:
        """Return the last lines of its log, shortened and fit for a terminal, to be added to a message."""
        try:
            words = _end(self.log) if self.log else ""
        except OSError:
            words = ""
        lines = [one_line(line, LINE_LETTERS) for line in words.splitlines()[-LOG_LINES:]]
        return "".join([f"; the end of {self.log}:", *(f"\n    {line}" for line in lines)]) if lines else ""

    def end(self, patience: float) -> None:
        """Wait `patience` seconds for the process to exit, then kill it and its children."""
        if not self.wait(patience):
            kill(self._process)
        self.wait(5)


def _remedy(program: Path, error: OSError) -> str:
    """Return what to do about a player that the system does not start."""
    if program.suffix == ".py" and re.search(r"_v\d+$", program.stem):
        return f"a PettingZoo environment is named by folder and module: {program.parent.name}/{program.stem}"
    if program.suffix == ".py":
        return f"an environment in a Python file is named by module and id, such as {program.stem}:Maze-v0"
    return f"run: chmod +x {program}" if isinstance(error, PermissionError) else "is it a player?"


def _end(path: Path) -> str:
    """Return the last `LOG_BYTES` of a text file."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
        return file.read(LOG_BYTES).decode("utf-8", "replace")
