"""Long trainings, whose memory, files and threads stay level."""

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tests.faults.fault import Fault
from tests.faults.tools import trainings

STEPS, AGENTS = 2_000_000, 128
SAMPLES = 50
MEGABYTES = 15.0
"""By so much memory may grow between a fifth of the run and its end."""

SETTINGS: dict[str, Any] = {
    "ppo": {"batch_size": 1024, "buffer_size": 4096},
    "a2c": {"batch_size": 1024, "buffer_size": 1024},
    "dqn": {"batch_size": 128, "buffer_size": 50_000, "steps_per_update": 128, "save_replay_buffer": True},
}


def faults(whole: bool) -> Iterator[Fault]:
    """Each learner, for two million decisions."""
    if whole:
        yield from (Fault(learner, partial(stays_level, learner)) for learner in SETTINGS)


def stays_level(learner: str, folder: Path) -> None:
    """Memory grows by little once every buffer is full, and neither files nor threads add up."""
    process = trainings.server().Process(target=_train, args=(learner, folder))
    process.start()
    process.join()
    assert process.exitcode == 0, process.exitcode
    samples = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
    assert len(samples) >= SAMPLES
    early, late = samples[len(samples) // 5], samples[-1]
    grown = (late["bytes"] - early["bytes"]) / 1e6
    assert grown < MEGABYTES, f"memory grew by {grown:.1f} MB"
    assert late["files"] <= early["files"], (early, late)
    assert late["threads"] <= early["threads"], (early, late)


def _train(learner: str, folder: Path) -> None:
    from scripted_env import make_spec
    from task_envs import TaskEnv, one_hot

    from trainers import train
    from trainers.records.progress import LineDisplay

    this, samples, steps = psutil.Process(), [], 0

    def look(_: np.random.Generator, age: np.ndarray) -> tuple[list[np.ndarray], None]:
        return [one_hot(np.minimum(age, 3), 4)], None

    def pay(*_: object) -> np.ndarray:
        nonlocal steps
        if steps % (STEPS // SAMPLES) < AGENTS:
            files = this.num_handles() if sys.platform == "win32" else this.num_fds()
            samples.append({"bytes": this.memory_info().rss, "files": files, "threads": this.num_threads()})
        steps += AGENTS
        return np.ones(AGENTS)

    behavior = {
        "trainer_type": learner,
        "hyperparameters": SETTINGS[learner],
        "network_settings": {"hidden_units": 16, "num_layers": 1, "normalize": True},
        "max_steps": STEPS,
        "summary_freq": STEPS // 200,
        "checkpoint_interval": STEPS // 40,
    }
    env = TaskEnv(make_spec((4,), branches=(2,)), look, pay, agents=AGENTS, length=50)
    place = {"results_dir": str(folder), "run_id": "run"}
    train(env, {"behaviors": {"Task": behavior}, "checkpoint_settings": place}, display=LineDisplay())
    (folder / "samples.json").write_text(json.dumps(samples), encoding="utf-8")
