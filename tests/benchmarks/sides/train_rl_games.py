"""`train_rl_games.py JSON`: trains with rl_games' PPO and envpool, and prints one line of JSON.

JSON keys: `env`, `seed`, `threads` (envpool's; torch has one), `envs`, `rollout` (steps of each environment),
`minibatch`, `epochs`, `between` (numbers of rollouts between which the rate is measured). The settings are those of
rl_games' file for Walker2d with envpool.
"""

import json
import sys
import tempfile
import time

import torch
from rl_games.common.algo_observer import DefaultAlgoObserver
from rl_games.torch_runner import Runner


class Watch(DefaultAlgoObserver):
    """Records the time at each update's end."""

    def __init__(self):
        self.ends = {}

    def after_print_stats(self, frame, epoch_num, total_time):
        self.ends.setdefault(epoch_num, time.perf_counter())


def settings(options, folder):
    network = {
        "name": "actor_critic",
        "separate": False,
        "space": {
            "continuous": {
                "mu_activation": "None",
                "sigma_activation": "None",
                "mu_init": {"name": "default"},
                "sigma_init": {"name": "const_initializer", "val": 0},
                "fixed_sigma": True,
            }
        },
        "mlp": {"units": [256, 128, 64], "activation": "elu", "initializer": {"name": "default"}},
    }
    config = {
        "name": "benchmark",
        "train_dir": folder,
        "device": "cpu",
        "device_name": "cpu",
        "env_name": "envpool",
        "env_config": {
            "env_name": options["env"],
            "seed": options["seed"],
            "num_threads": options["threads"],
        },
        "num_actors": options["envs"],
        "horizon_length": options["rollout"],
        "minibatch_size": options["minibatch"],
        "mini_epochs": options["epochs"],
        "max_epochs": options["between"][1],
        "normalize_input": True,
        "normalize_value": True,
        "normalize_advantage": True,
        "value_bootstrap": True,
        "reward_shaper": {"scale_value": 0.1},
        "gamma": 0.99,
        "tau": 0.95,
        "learning_rate": 3e-4,
        "lr_schedule": "adaptive",
        "kl_threshold": 0.008,
        "grad_norm": 1.0,
        "truncate_grads": True,
        "entropy_coef": 0.0,
        "critic_coef": 2,
        "e_clip": 0.2,
        "clip_value": False,
        "use_smooth_clamp": True,
        "bound_loss_type": "regularisation",
        "bounds_loss_coef": 0.0,
    }
    parts = {"algo": {"name": "a2c_continuous"}, "model": {"name": "continuous_a2c_logstd"}}
    return {"params": {"seed": options["seed"], **parts, "network": network, "config": config}}


def main(options):
    options = json.loads(options)
    torch.set_num_threads(1)
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(watch)
        runner.load(settings(options, folder))
        runner.run({"train": True})
    first, last = options["between"]
    steps = (last - first) * options["envs"] * options["rollout"]
    print()
    print(json.dumps({"rate": steps / (watch.ends[last] - watch.ends[first])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
