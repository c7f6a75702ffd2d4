"""PPO against Stable-Baselines3 with the same settings: agent steps per second, including updates."""

import json
from collections.abc import Iterator
from functools import partial

from tests.benchmarks.common import Options, Row, best, side, trained

WALKER2D = {
    "file": "unity_configs/ppo/Walker2d-v5.yaml",
    "envs": 8,
    "rollout": 256,
    "minibatch": 64,
    "epochs": 10,
    "set": ["behaviors.*.network_settings.critic_hidden_units=64"],
    "rollouts": 16,
    "targets": (3.0, 4.0),
}


def run(options: Options) -> Iterator[Row]:
    """Measure Walker2d-v5 with networks of [64, 64] on both sides."""
    yield compare(options, "Walker2d-v5", WALKER2D)


def compare(options: Options, name: str, task: dict) -> Row:
    """Compare the rates over whole rollouts and updates, without the first ones."""
    count = max(1, options.work(task["rollouts"] * 10) // 10)
    rate, peer = best(
        options.repeats, partial(train_ours, name, task, count), partial(_sb3, options, name, task, count)
    )
    at_least, aim = task["targets"]
    path = f"PPO {name}, {task['envs']} envs x {task['rollout']}, minibatch {task['minibatch']}"
    return Row(path, rate, "steps/s", peer, "Stable-Baselines3", rate / peer, at_least, aim)


def train_ours(name: str, task: dict, count: int) -> float:
    """Return the agent steps per second of `count` rollouts with their updates, after two others."""
    rollout = task["envs"] * task["rollout"]
    settings = [
        f"behaviors.*.hyperparameters.buffer_size={rollout}",
        f"behaviors.*.hyperparameters.batch_size={task['minibatch']}",
        f"behaviors.*.hyperparameters.num_epoch={task['epochs']}",
        f"behaviors.*.max_steps={rollout * (count + 2)}",
        f"env_settings.num_envs={task['envs']}",
        *task["set"],
    ]
    between = [rollout * 2, rollout * (count + 2)]
    return float(trained(task["file"], name, settings, between=between)["rate"])


def _sb3(options: Options, name: str, task: dict, count: int) -> float:
    keys = {key: task[key] for key in ("envs", "rollout", "minibatch", "epochs")}
    steps = task["envs"] * task["rollout"] * (count + 3)
    wanted = {"env": name, "seed": 0, "steps": steps, "between": [2, count + 2], **keys}
    return float(side(options.peers, "train_sb3", json.dumps(wanted))["rate"])
