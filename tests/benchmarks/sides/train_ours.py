"""`train_ours.py FILE ENV JSON`: trains with a training file of this project, and prints one line of JSON.

JSON keys: `set` (overrides), `between` (agent steps between which the speed is measured), `seconds` (ends that
measurement in place of a second agent step, and the training), `score` (the mean return of the last 100 training
episodes at which to stop). The output has that mean at every summary as `curve`: agent step, seconds since the start
of the process, mean. Between the two agent steps, `rate` is the speed in agent steps per second, and `shares` are the
parts of that time by the names of `run_logs/timers.json`; `memory` is the resident memory in MiB at each (Linux only).
"""

import time

BEGIN = time.perf_counter()

import json  # noqa: E402
import os  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from collections import deque  # noqa: E402
from pathlib import Path  # noqa: E402

from trainers import train  # noqa: E402
from trainers.training.environments import make_environment  # noqa: E402
from trainers.training.followers import Silence  # noqa: E402


class ReachedError(Exception):
    """The score was reached, or the time is over."""


class Watch(Silence):
    """A display that records times, memory and returns."""

    def __init__(self, between, score, seconds):
        self.between, self.score, self.seconds = between or [], score, seconds
        self.times = []
        self.returns = deque(maxlen=100)
        self.curve = []
        self.step = 0

    def tick(self, behavior, step, max_steps, timers):
        self.step = step
        now, count = time.perf_counter(), len(self.times)
        is_due = count < len(self.between) and step >= self.between[count]
        is_over = self.seconds is not None and count == 1 and now - self.times[0][1] >= self.seconds
        if is_due or is_over:
            totals = {name: timer.total for name, timer in timers.root.children.items()}
            self.times.append((step, now, totals, resident()))
        if is_over:
            raise ReachedError

    def summarise(self, summary):
        self.returns.extend(summary.returns)
        if len(self.returns) < 100:
            return
        mean = statistics.fmean(self.returns)
        self.curve.append((summary.step, time.perf_counter() - BEGIN, mean))
        if self.score is not None and mean >= self.score:
            raise ReachedError


def resident() -> float | None:
    """Return the present resident memory of this process in MiB; None on other systems than Linux."""
    state = Path("/proc/self/statm")
    return int(state.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if state.exists() else None


def main(file, env, options):
    options = json.loads(options)
    watch = Watch(options.get("between"), options.get("score"), options.get("seconds"))
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
        (first, start, before, *_), (last, end, after, _) = watch.times
        result["memory"] = [memory for *_, memory in watch.times]
        result["rate"] = (last - first) / (end - start)
        result["shares"] = {
            name: (total - before.get(name, 0.0)) / (end - start) for name, total in after.items()
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
