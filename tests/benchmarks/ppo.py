"""PPO against Stable-Baselines3 with the same settings on both sides: agent steps per second, learning included."""

import json
import tempfile
from collections.abc import Iterator

from tests.benchmarks.common import Options, Row, best, ours, side

TASKS = {
    "Walker2d-v5": {
        "file": "unity_configs/ppo/Walker2d-v5.yaml",
        "envs": 8,
        "rollout": 2048,
        "minibatch": 64,
        "epochs": 10,
        "set": ["behaviors.*.network_settings.critic_hidden_units=64"],
        "rollouts": 2,
        "targets": (2.0, 3.0),
    },
    "ALE/Assault-v5": {
        "file": "unity_configs/ppo/Assault-v5.yaml",
        "envs": 8,
        "rollout": 128,
        "minibatch": 256,
        "epochs": 4,
        "set": [],
        "rollouts": 6,
        "targets": (1.3, 2.0),
    },
}


def run(options: Options) -> Iterator[Row]:
    """Both tasks; the rate covers whole collections and updates, after the first ones."""
    for name, task in TASKS.items():
        count = options.work(task["rollouts"] * 10) // 10 or 1

        def mine(name=name, task=task, count=count):
            return _ours(name, task, count)

        def theirs(name=name, task=task, count=count):
            return _sb3(options, name, task, count)

        rate, peer = best(options.repeats, mine, theirs)
        at_least, aim = task["targets"]
        path = f"PPO {name}, {task['envs']} envs x {task['rollout']}, minibatch {task['minibatch']}"
        yield Row(path, rate, "steps/s", peer, "Stable-Baselines3", rate / peer, at_least, aim)


def _ours(name: str, task: dict, count: int) -> float:
    rollout = task["envs"] * task["rollout"]
    with tempfile.TemporaryDirectory() as folder:
        settings = [
            f"behaviors.*.hyperparameters.buffer_size={rollout}",
            f"behaviors.*.hyperparameters.batch_size={task['minibatch']}",
            f"behaviors.*.hyperparameters.num_epoch={task['epochs']}",
            f"behaviors.*.max_steps={rollout * (count + 2)}",
            f"env_settings.num_envs={task['envs']}",
            f"checkpoint_settings.results_dir={folder}",
            *task["set"],
        ]
        wanted = {"set": settings, "between": [rollout * 2, rollout * (count + 2)]}
        return float(ours("train_ours", task["file"], name, json.dumps(wanted))["rate"])


def _sb3(options: Options, name: str, task: dict, count: int) -> float:
    keys = {key: task[key] for key in ("envs", "rollout", "minibatch", "epochs")}
    steps = task["envs"] * task["rollout"] * (count + 3)
    wanted = {"env": name, "seed": 0, "steps": steps, "between": [2, count + 2], **keys}
    return float(side(options.peers, "train_sb3", json.dumps(wanted))["rate"])
