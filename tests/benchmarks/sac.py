"""SAC against Stable-Baselines3 with the same settings: updates per second, one for each agent step."""

import json
from collections.abc import Iterator
from functools import partial

from tests.benchmarks.common import Options, Row, best, side, trained

ENVIRONMENT = "Walker2d-v5"
FILE = "unity_configs/sac/continuous.yaml"
LEAD_IN, UPDATES = 1000, 4000


def run(options: Options) -> Iterator[Row]:
    """Measure networks of [256, 256] and minibatches of 256 on both sides."""
    count = options.work(UPDATES)
    rate, peer = best(options.repeats, partial(updates_per_second, count), partial(_sb3, options, count))
    yield Row(
        f"SAC {ENVIRONMENT}, [256, 256], minibatch 256",
        rate,
        "updates/s",
        peer,
        "Stable-Baselines3",
        rate / peer,
        1.3,
        2.0,
    )


def updates_per_second(count: int) -> float:
    """Train this trainer's SAC for some updates, and return their number in a second."""
    settings = [
        f"default_settings.hyperparameters.buffer_init_steps={LEAD_IN}",
        f"default_settings.max_steps={2 * LEAD_IN + count}",
        f"default_settings.checkpoint_interval={4 * LEAD_IN + count}",
        "env_settings.num_envs=1",
    ]
    between = [LEAD_IN + 100, LEAD_IN + 100 + count]
    return float(trained(FILE, ENVIRONMENT, settings, between=between)["rate"])


def _sb3(options: Options, count: int) -> float:
    wanted = {"env": ENVIRONMENT, "seed": 0, "lead_in": LEAD_IN, "updates": count}
    return float(side(options.peers, "train_sb3_sac", json.dumps(wanted))["rate"])
