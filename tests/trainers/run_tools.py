"""Small runs of one behavior, in a folder each."""

import csv
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import BaseEnv
from scripted_env import make_spec
from task_envs import TaskEnv, clock
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainers import LoadedPolicy, Outcome, load_policy, train
from trainers.records.progress import LineDisplay

OPTIONS: dict[str, Any] = {
    "behaviors": {
        "Task": {
            "trainer_type": "ppo",
            "hyperparameters": {"batch_size": 64, "buffer_size": 256},
            "network_settings": {"hidden_units": 8, "num_layers": 1, "normalize": True},
            "reward_signals": {"extrinsic": {"gamma": 0.9, "strength": 0.5}},
            "max_steps": 3000,
            "summary_freq": 500,
            "checkpoint_interval": 700,
            "keep_checkpoints": 3,
        }
    },
    "env_settings": {"seed": 5},
}


class Stopwatch:
    """Rewards 1 for each of four decisions, by the observation's clock; may be made to fail or to stop.

    What `events` holds under a number of steps is called after so many.
    """

    def __init__(
        self,
        stop_after: int | None = None,
        nan_after: int | None = None,
        events: Mapping[int, Callable[[], object]] | None = None,
    ) -> None:
        self.stop_after, self.nan_after, self.events = stop_after, nan_after, events or {}
        self.steps = 0

    def pay(self, obs, action) -> np.ndarray:
        self.events.get(self.steps, int)()
        self.steps += 1
        if self.steps == self.stop_after:
            os.kill(os.getpid(), signal.SIGINT)
        bad = self.nan_after is not None and self.steps >= self.nan_after
        return np.full(16, np.nan if bad else 1.0)

    def env(self, continuous: int = 1, branches: tuple[int, ...] = (2,)) -> TaskEnv:
        spec = make_spec((4,), continuous=continuous, branches=branches)
        return TaskEnv(spec, clock, self.pay, seed=self.steps)


def failing(error: BaseException, at: int = 100) -> TaskEnv:
    """The task, which raises this after so many steps."""

    def fail() -> None:
        raise error

    return Stopwatch(events={at: fail}).env()


class Listener(LineDisplay):
    """A display that keeps what is said, and shows nothing."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def options(results: Path, run_id: str = "first", /, behavior: dict | None = None, **checkpoint: Any) -> dict:
    """The training file, with other keys of the behavior and of `checkpoint_settings`."""
    checkpoint = {"run_id": run_id, "results_dir": str(results), **checkpoint}
    return {
        **OPTIONS,
        "behaviors": {"Task": {**OPTIONS["behaviors"]["Task"], **(behavior or {})}},
        "checkpoint_settings": checkpoint,
    }


def train_small(results: Path, run_id: str = "first", /, **given: Any) -> Outcome:
    """Train the task, with what `options` takes, and return what came of it."""
    return train(Stopwatch().env(), options(results, run_id, **given))["Task"]


def learn(
    env: BaseEnv,
    algorithm: dict[str, Any],
    max_steps: int,
    network: dict[str, Any] | None = None,
    gamma: float = 0.5,
    seed: int = 1,
) -> LoadedPolicy:
    """Train a small network on a task, and return the trained policy."""
    content = {
        "default_settings": {
            **algorithm,
            "max_steps": max_steps,
            "network_settings": {"hidden_units": 32, "num_layers": 1, **(network or {})},
            "reward_signals": {"extrinsic": {"gamma": gamma}},
        },
        "env_settings": {"seed": seed},
        "checkpoint_settings": {"run_id": "task"},
        "torch_settings": {"precision": "float32"},
    }
    train(env, content)
    return load_policy(Path("runs", "task"))


def solve(
    env: TaskEnv, algorithm: dict[str, Any], max_steps: int, network: dict[str, Any] | None = None
) -> float:
    """Train on a task, and say what the likeliest actions of the trained policy earn per decision."""
    policy = learn(env, algorithm, max_steps, network)
    assert env.closed
    observations, masks = env.look(np.random.default_rng(99), np.zeros(200, np.int64))
    return float(np.mean(env.pay(observations, policy.act(observations, action_mask=masks))))


def read_progress(run: Path, behavior: str = "Task") -> list[dict[str, str]]:
    with (run / behavior / "progress.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file in a folder and those inside it, with what is in it."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read_events(run: Path) -> EventAccumulator:
    events = EventAccumulator(str(run / "Task"), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
    events.Reload()
    return events
