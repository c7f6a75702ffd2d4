"""`train_timed.py FILE ENV JSON`: trains for some seconds and prints the speed and what took the time, as JSON.

JSON keys: `set` (overrides), `from` (agent step at which the clock starts), `seconds`. The output has the agent steps
per second as `rate`, and the parts of the time by the names of `run_logs/timers.json` as `shares`.
"""

import contextlib
import json
import sys
import time

from trainers import train
from trainers.training.environments import make_environment


class OverError(Exception):
    """The time is over."""


class Watch:
    """A display that looks at the clock."""

    def __init__(self, first, seconds):
        self.first, self.seconds = first, seconds
        self.start = self.end = None

    def tick(self, behavior, step, max_steps, timers):
        now = step, time.perf_counter(), {name: timer.total for name, timer in timers.root.children.items()}
        if self.start is None and step >= self.first:
            self.start = now
        if self.start is not None:
            self.end = now
            if now[1] - self.start[1] >= self.seconds:
                raise OverError

    def summarise(self, summary):
        pass

    def say(self, text):
        print(text, file=sys.stderr)

    def close(self):
        pass


def main(file, env, options):
    options = json.loads(options)
    watch = Watch(options["from"], options["seconds"])
    settings = [f"env_settings.env_path={env}", *options["set"]]
    with contextlib.suppress(OverError):
        train(make_environment, file, overrides=settings, display=watch)
    (first, start, before), (last, end, after) = watch.start, watch.end
    shares = {name: (total - before.get(name, 0.0)) / (end - start) for name, total in after.items()}
    print(json.dumps({"rate": (last - first) / (end - start), "seconds": end - start, "shares": shares}))


if __name__ == "__main__":
    main(*sys.argv[1:])
