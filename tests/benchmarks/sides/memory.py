"""`memory.py EARLY LATE`: resident memory, in MiB, of a Walker2d-v5 run after EARLY and after LATE agent steps.

It trains one epoch per update, since the memory in use does not depend on the number of epochs.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from trainers import train
from trainers.training.environments import make_environment


def resident() -> float:
    """Return the present resident memory of this process in MiB (Linux only)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watch:
    """A display that records the memory at two steps."""

    def __init__(self, early, late):
        self.wanted = {"early": early, "late": late}
        self.found = {}

    def tick(self, behavior, step, max_steps, timers):
        for name, wanted in self.wanted.items():
            if name not in self.found and step >= wanted:
                self.found[name] = resident()

    def summarise(self, summary):
        pass

    def say(self, text):
        pass

    def close(self):
        pass


def main(early, late):
    watch = Watch(int(early), int(late))
    with tempfile.TemporaryDirectory() as folder:
        settings = [
            "env_settings.env_path=Walker2d-v5",
            f"behaviors.*.max_steps={late}",
            "behaviors.*.checkpoint_interval=100000",
            "behaviors.*.hyperparameters.num_epoch=1",
            f"checkpoint_settings.results_dir={folder}",
        ]
        train(make_environment, "unity_configs/ppo/Walker2d-v5.yaml", overrides=settings, display=watch)
    print(json.dumps(watch.found))


if __name__ == "__main__":
    main(*sys.argv[1:])
