"""`torchrun … train_ranks.py FILE ENV JSON`: trains with the ranks of torchrun, or alone, and measures the updates.

JSON keys: `set` (overrides), `updates` (how many to measure, after the first), `folder` (where each rank writes
`<rank>.json`: agent steps per second of all ranks, and seconds of processor time per update of this one), `pin`
(whether a rank keeps to one core), `slow` (seconds that the last of several ranks sleeps in each step).
"""

import json
import os
import sys
import time
from pathlib import Path

from trainers import train
from trainers.algorithms.ppo import PPO
from trainers.training.environments import make_environment

RANK = int(os.environ.get("RANK", "0"))


def main(file, env, options):
    options = json.loads(options)
    if options["pin"] and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[RANK % len(cores)]})
    seen = []
    update = PPO.update

    def watched(self):
        before = time.process_time()
        update(self)
        seen.append((time.perf_counter(), self.step, time.process_time() - before))

    PPO.update = watched
    overrides = [f"env_settings.env_path={env}", *options["set"]]

    def make(settings, *arguments):
        env = make_environment(settings, *arguments)
        if options["slow"] and int(os.environ["WORLD_SIZE"]) - 1 == RANK:
            step = env.step
            env.step = lambda: (time.sleep(options["slow"]), step())
        return env

    train(make, file, overrides=overrides)
    first, *measured = seen[-options["updates"] - 1 :]
    rate = (measured[-1][1] - first[1]) / (measured[-1][0] - first[0])
    processor = sum(seconds for _, _, seconds in measured) / len(measured)
    content = {"rate": rate, "processor": processor}
    (Path(options["folder"]) / f"{RANK}.json").write_text(json.dumps(content))


if __name__ == "__main__":
    main(*sys.argv[1:])
