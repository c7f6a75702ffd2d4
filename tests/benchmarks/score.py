"""Wall-clock time to a mean training return of 3,000 on Walker2d-v5 (last 100 episodes), from the start of the process.

This project uses its default training file. Stable-Baselines3 uses 8 environments, VecNormalize, rollouts of 2,048
steps in total, minibatches of 64, 10 epochs, and a learning rate that falls linearly from 3e-4 over 1M steps. The
median of 5 seeds counts. A seed that never reaches the score counts as infinite. Two seeds train at the same time, on
one thread each, Stable-Baselines3's first.
"""

import json
import math
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.benchmarks.common import Options, Row, figure, side, trained

SCORE = 3000
SEEDS = range(5)
JOBS = 2


def run(options: Options) -> Iterator[Row]:
    """Measure both sides, two seeds at a time on the same machine."""
    steps = options.work(1_000_000)
    with ThreadPoolExecutor(JOBS) as pool:
        theirs = list(pool.map(lambda seed: _sb3(options, seed, steps), SEEDS))
        mine = list(pool.map(lambda seed: _ours(seed, steps), SEEDS))
    for name, seconds in (("Stable-Baselines3", theirs), ("ours", mine)):
        print(
            f"{name}: {', '.join(f'{figure(second)} s' for second in seconds)}", file=sys.stderr, flush=True
        )
    first, second = statistics.median(mine), statistics.median(theirs)
    ratio = second / first if math.isfinite(first) else 0.0
    yield Row("Walker2d-v5 to 3,000", first, "s", second, "Stable-Baselines3", ratio, 6.0, 8.0)


def _ours(seed: int, steps: int) -> float:
    settings = [
        f"env_settings.seed={seed}",
        "behaviors.*.summary_freq=2000",
        f"behaviors.*.max_steps={steps}",
    ]
    result = trained("unity_configs/ppo/Walker2d-v5.yaml", "Walker2d-v5", settings, score=SCORE)
    return float(result["seconds"]) if result["reached"] else math.inf


def _sb3(options: Options, seed: int, steps: int) -> float:
    wanted = {
        "env": "Walker2d-v5",
        "seed": seed,
        "steps": steps,
        "envs": 8,
        "rollout": 256,
        "minibatch": 64,
        "epochs": 10,
        "linear": True,
        "score": SCORE,
        "threads": 1,
    }
    result = side(options.peers, "train_sb3", json.dumps(wanted))
    return float(result["seconds"]) if result["reached"] else math.inf
