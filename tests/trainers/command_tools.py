"""The commands as people type them, and what they are given."""

import os
import subprocess
import sys
import time
from pathlib import Path

import gymnasium
import numpy as np
import yaml

from trainers import load_policy

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 120  # seconds; a busy machine may take a while to start a process

SMALL = {
    "trainer_type": "ppo",
    "hyperparameters": {"batch_size": 32, "buffer_size": 128},
    "network_settings": {"hidden_units": 8, "num_layers": 1},
    "max_steps": 400,
    "summary_freq": 100,
}


def write_file(path: Path, **behavior) -> Path:
    """A small training file for any environment."""
    path.write_text(yaml.safe_dump({"default_settings": {**SMALL, "checkpoint_interval": 150, **behavior}}))
    return path


def command(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", module, *map(str, arguments)]


def surroundings() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


def run_command(folder: Path, module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, started in a folder."""
    line = command(module, *arguments)
    return subprocess.run(line, cwd=folder, env=surroundings(), capture_output=True, text=True, check=False)


def wait_for(path: Path, process: subprocess.Popen) -> None:
    """Until a process has written five lines."""
    deadline = time.monotonic() + PATIENCE
    while not path.exists() or len(path.read_text().splitlines()) < 5:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{path} did not grow"
        time.sleep(0.05)


def the_error(capfd) -> str:
    """The one line on standard error."""
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


def returns_by_hand(env_id: str, run: Path, seeds: range) -> list[float]:
    """Episode by episode with Gymnasium alone, the policy acting on one observation at a time."""
    policy, returns = load_policy(run), []
    for seed in seeds:
        env = gymnasium.make(env_id)
        observation, _ = env.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            action = policy.act(observation[None].astype(np.float32))
            if policy.spec.action_spec.continuous_size:
                space = env.action_space
                chosen = space.low + (action.continuous[0] + 1.0) / 2.0 * (space.high - space.low)
            else:
                chosen = int(action.discrete[0, 0])
            observation, reward, terminated, truncated, _ = env.step(chosen)
            total, over = total + float(reward), terminated or truncated
        env.close()
        returns.append(total)
    return returns
