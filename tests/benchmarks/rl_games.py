"""PPO against rl_games with envpool, in the setting of rl_games' own file for Walker2d."""

import json
from collections.abc import Iterator
from functools import partial

from tests.benchmarks.common import Options, Row, best, side
from tests.benchmarks.ppo import train_ours

WALKER2D = {
    "file": "unity_configs/ppo/Walker2d-v5.yaml",
    "envs": 64,
    "rollout": 128,
    "minibatch": 2048,
    "epochs": 5,
    "set": [
        *(
            f"behaviors.*.hyperparameters.{setting}"
            for setting in (
                "shared_critic=true",
                "critic_learning_rate=null",
                "recompute_advantage=false",
                "learning_rate=3.0e-4",
                "learning_rate_schedule=adaptive",
                "target_kl=0.008",
            )
        ),
        *(
            f"behaviors.*.network_settings.{setting}"
            for setting in ("num_layers=3", "hidden_units=160", "critic_hidden_units=null", "activation=elu")
        ),
    ],
}
"""Three layers of 160 have 55,000 weights; rl_games' layers of 256, 128 and 64 have 46,000."""


def run(options: Options) -> Iterator[Row]:
    """Compare the rates over whole rollouts and updates, without the first two."""
    count = options.work(20)
    keys = {key: WALKER2D[key] for key in ("envs", "rollout", "minibatch", "epochs")}
    wanted = {"env": "Walker2d-v5", "seed": 0, "threads": 2, "between": [2, count + 2], **keys}
    rate, peer = best(
        options.repeats,
        partial(train_ours, "Walker2d-v5", WALKER2D, count),
        lambda: float(side(options.peers, "train_rl_games", json.dumps(wanted))["rate"]),
    )
    path = "PPO Walker2d-v5, 64 envs x 128, minibatch 2,048"
    yield Row(path, rate, "steps/s", peer, "rl_games with envpool", rate / peer, 1.3, 1.6)
