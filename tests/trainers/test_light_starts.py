"""What needs no torch does not load it, which takes seconds."""

import subprocess
import sys

from command_tools import surroundings

LIGHT = (
    "trainers.training.cli",
    "trainers.compare.cli",
    "trainers.search.cli",
    "bridge.demonstrations",
    "bridge.player",
)


def test_these_commands_begin_without_torch() -> None:
    lines = ["import importlib, sys"]
    for module in LIGHT:
        lines += [f"importlib.import_module({module!r})", f"assert 'torch' not in sys.modules, {module!r}"]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, env=surroundings(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
