"""What needs no torch does not load it, which takes seconds."""

import subprocess
import sys
from pathlib import Path

import pytest
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


@pytest.mark.parametrize(("kind", "task"), [("ppo", "CartPole-v1"), ("sac", "Pendulum-v1")])
def test_a_training_loads_no_compiler(kind: str, task: str, tmp_path: Path) -> None:
    """It takes a second, and with Triton it ends the process of an environment that has drawn with Mesa."""
    lines = [
        "import sys",
        "from trainers.training.cli import main",
        f"assert main(['--env', {task!r}, '--max-steps', '300', '--run-id', 'light'], {kind!r}) == 0",
        "found = {'torch._dynamo', 'triton'} & sys.modules.keys()",
        "assert not found, found",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(
        command, env=surroundings(), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
