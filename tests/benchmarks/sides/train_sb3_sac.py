"""`train_sb3_sac.py JSON`: trains with Stable-Baselines3's SAC, and prints its updates per second as a line of JSON.

JSON keys: `env`, `seed`, `lead_in` (steps before the first update), `updates` (number of updates that are measured).
"""

import json
import sys
import time

from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback


class Watch(BaseCallback):
    """Records the times of the first and of the last update that is measured."""

    def __init__(self, first, last):
        super().__init__()
        self.between, self.times = (first, last), []

    def _on_step(self):
        if len(self.times) < 2 and self.num_timesteps >= self.between[len(self.times)]:
            self.times.append(time.perf_counter())
        return len(self.times) < 2


def main(options):
    options = json.loads(options)
    first = options["lead_in"] + 100
    model = SAC(
        "MlpPolicy",
        options["env"],
        seed=options["seed"],
        learning_starts=options["lead_in"],
        batch_size=256,
        policy_kwargs={"net_arch": [256, 256]},
        device="cpu",
    )
    watch = Watch(first, first + options["updates"])
    model.learn(first + 2 * options["updates"], callback=watch)
    print(json.dumps({"rate": options["updates"] / (watch.times[1] - watch.times[0])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
