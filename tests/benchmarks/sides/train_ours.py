"""`train_ours.py FILE ENV JSON`: trains with a training file of this project, and prints one line of JSON.

JSON keys: `set` (overrides), `between` (agent steps between which the rate is measured), `score` (the mean return of
the last 100 training episodes at which to stop). The output has that mean at every summary as `curve`: agent step,
seconds since the start of the process, mean.
"""

import time

BEGIN = time.perf_counter()

import json  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from collections import deque  # noqa: E402

from trainers import train  # noqa: E402
from trainers.training.environments import make_environment  # noqa: E402


class ReachedError(Exception):
    """The score was reached."""


class Watch:
    """A display that records times and returns."""

    def __init__(self, between, score):
        self.between, self.score = between, score
        self.times = []
        self.returns = deque(maxlen=100)
        self.curve = []
        self.step = 0

    def tick(self, behavior, step, max_steps, timers):
        self.step = step
        if self.between and len(self.times) < 2 and step >= self.between[len(self.times)]:
            self.times.append((step, time.perf_counter()))

    def summarise(self, summary):
        self.returns.extend(summary.returns)
        if len(self.returns) < 100:
            return
        mean = statistics.fmean(self.returns)
        self.curve.append((summary.step, time.perf_counter() - BEGIN, mean))
        if self.score is not None and mean >= self.score:
            raise ReachedError

    def say(self, text):
        pass

    def close(self):
        pass


def main(file, env, options):
    options = json.loads(options)
    watch = Watch(options.get("between"), options.get("score"))
    overrides = [f"env_settings.env_path={env}", *options["set"]]
    reached = False
    try:
        train(make_environment, file, overrides=overrides, display=watch)
    except ReachedError:
        reached = True
    result = {
        "seconds": time.perf_counter() - BEGIN,
        "reached": reached,
        "step": watch.step,
        "curve": watch.curve,
    }
    if len(watch.times) == 2:
        (first, start), (last, end) = watch.times
        result["rate"] = (last - first) / (end - start)
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
