"""What needs no torch does not load it, which takes seconds."""

import subprocess
import sys
from pathlib import Path

from command_tools import surroundings

LIGHT = (
    "trainers.training.cli",
    "trainers.compare.cli",
    "trainers.search.cli",
    "bridge.demonstrations",
    "bridge.player",
)


def run(*lines: str, folder: Path) -> None:
    """Run lines of Python in a process of their own."""
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(
        command, env=surroundings(), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_these_commands_begin_without_torch(tmp_path: Path) -> None:
    lines = ["import importlib, sys"]
    for module in LIGHT:
        lines += [f"importlib.import_module({module!r})", f"assert 'torch' not in sys.modules, {module!r}"]
    run(*lines, folder=tmp_path)


def test_trainings_load_no_compiler(tmp_path: Path) -> None:
    """It takes a second, and with Triton it ends the process of an environment that has drawn with Mesa."""
    run(
        "import sys",
        "from trainers.training.cli import main",
        "for kind, task in (('ppo', 'CartPole-v1'), ('sac', 'Pendulum-v1')):",
        "    assert main(['--env', task, '--max-steps', '300', '--run-id', kind], kind) == 0",
        "    found = {'torch._dynamo', 'triton'} & sys.modules.keys()",
        "    assert not found, (kind, found)",
        folder=tmp_path,
    )
