"""A built player as a process: found, started, watched and ended."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gym_adapters.errors import UserError

LOG_LINES = 20
SUFFIXES = ("", ".x86_64", ".x86", ".exe", ".app")


def find_player(path: str | Path) -> Path | None:
    """The program that a player's path means; the path may lack the suffix of the platform.

    A macOS bundle stands for the program in it, and a folder for the one program in it that shares its name.
    """
    for suffix in SUFFIXES:
        candidate = Path(f"{path}{suffix}")
        if candidate.is_file():
            return candidate.absolute()
        programs = sorted(candidate.glob("Contents/MacOS/*")) if candidate.suffix == ".app" else []
        if programs:
            return programs[0].absolute()
    return None


def looks_like_player(path: str) -> bool:
    """Whether a text means a player's file, existing or not, rather than a Gymnasium id such as ALE/Assault-v5."""
    return (
        Path(path).is_absolute()
        or path.startswith((".", "~"))
        or Path(path).suffix in SUFFIXES[1:]
        or "\\" in path
        or ("/" in path and re.fullmatch(r"[^/]+/[^/]+-v\d+", path) is None)
        or find_player(path) is not None
    )


class PlayerProcess:
    """A running player.

    Args:
        path: What `find_player` finds.
        arguments: Its command line.
        log: The file that takes what it prints; Unity is told to write its own log there too.

    Raises:
        UserError: It cannot be started.
    """

    def __init__(self, path: str | Path, arguments: Sequence[str], log: Path | None) -> None:
        program = find_player(path)
        if program is None:
            raise UserError(f"--env {path}: no such player; give the path of a built player")
        self.name, self.log = program.name, log
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
        # Appending from the end of whatever is there, so that a restarted player keeps the log of the one before.
        output = subprocess.DEVNULL if log is None else log.open("ab")
        try:
            self._process = subprocess.Popen(
                [str(program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the trainer, which then ends the player
            )
        except OSError as error:
            hint = f"run: chmod +x {program}" if isinstance(error, PermissionError) else "is it a player?"
            raise UserError(f"--env {path}: cannot be started ({error.strerror}); {hint}") from error
        finally:
            if not isinstance(output, int):
                output.close()

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it came."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def obituary(self) -> str:
        """How it ended, and the end of its log."""
        code = self.exit_code or 0
        killed = f" ({signal.Signals(-code).name})" if -code in set(signal.Signals) else ""
        return f"exited with code {code}{killed}{self.last_words()}"

    def last_words(self) -> str:
        """The end of its log, as the tail of a message."""
        try:
            lines = self.log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:] if self.log else []
        except OSError:
            lines = []
        return "".join([f"; the end of {self.log}:", *(f"\n    {line}" for line in lines)]) if lines else ""

    def end(self, patience: float) -> None:
        """Wait for it to leave by itself, then kill it and what it started."""
        if not self.wait(patience):
            self._kill()
        self.wait(5)

    def _kill(self) -> None:
        try:
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
