"""A command on a terminal of a given size, and what is on its screen."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from command_tools import PATIENCE

from gym_adapters.commands import shell_line


class Terminal:
    """A terminal of tmux; it wraps lines anew when it is resized, as the terminals of today's desktops do.

    Args:
        server: the socket of a tmux server of its own.
    """

    def __init__(self, server: Path) -> None:
        self.server = server

    def tmux(self, *words: object) -> str:
        line = ["tmux", "-S", str(self.server), "-f", "/dev/null", *map(str, words)]
        return subprocess.run(line, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout

    def screen(self) -> list[str]:
        """The lines since the start, without empty ones; those that the terminal wrapped are one line again."""
        lines = self.tmux("capture-pane", "-p", "-J", "-S", "-").splitlines()
        return [line.rstrip() for line in lines if line.strip()]

    def resize(self, columns: int, rows: int) -> None:
        self.tmux("resize-window", "-x", columns, "-y", rows)

    def press(self, key: str) -> None:
        self.tmux("send-keys", key)

    @property
    def has_ended(self) -> bool:
        return self.tmux("display-message", "-p", "#{pane_dead}").strip() == "1"

    def wait(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """The screen when it first fulfils the condition."""
        deadline = time.monotonic() + PATIENCE
        while not condition(lines := self.screen()):
            assert time.monotonic() < deadline, "\n".join(lines)
            time.sleep(0.1)
        return lines


@contextmanager
def terminal(
    folder: Path, size: tuple[int, int], words: list[str], environment: Mapping[str, str]
) -> Iterator[Terminal]:
    """Run a command in a folder, on a terminal of (columns, rows)."""
    shown = Terminal(folder / "tmux")
    assignments = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
    columns, rows = size
    start = ("new-session", "-d", "-x", columns, "-y", rows, "-c", folder, *assignments)
    keep = (";", "set-option", "-g", "remain-on-exit", "on")
    shown.tmux(
        "start-server",
        ";",
        "set-option",
        "-g",
        "remain-on-exit",
        "on",
        ";",
        *start,
        shell_line(*words),
        *keep,
    )
    try:
        yield shown
    finally:
        shown.tmux("kill-server")
