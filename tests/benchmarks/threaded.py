"""Updates in a thread (`threaded: true`) against updates in the loop, with a player that takes its time."""

import sys
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from tests.benchmarks.common import Options, Row, best
from tests.benchmarks.players import WALKER, train

AGENTS = 10
BUFFER = 20480
BEGIN = 1.2
"""Rollouts before the measurement: the tenth that the normaliser gets, the first one, and the time to settle."""
PAUSE = 0.005
FILES = {"PPO, the Walker file": [], "the same with layers of 512": ["network_settings.hidden_units=512"]}


def run(options: Options) -> Iterator[Row]:
    """Compare both over whole rollouts of the Walker file, with 10 agents, and two sizes of the network."""
    rollouts = 1 if options.quick else 2
    measure = partial(steps_per_second, first=BEGIN * BUFFER, last=(BEGIN + rollouts) * BUFFER)
    steps = int((BEGIN + rollouts) * BUFFER) + 10 * AGENTS
    for name, changes in FILES.items():
        sides = []
        for threaded in ("true", "false"):
            keys = [f"threaded={threaded}", *changes]
            command = [sys.executable, "-m", "trainers.ppo", str(WALKER)]
            command += [f"--set=behaviors.Walker.{key}" for key in keys]
            sides.append(partial(train, command, AGENTS, 1, steps, PAUSE, measure))
        ours, peer = best(options.repeats, *sides)
        path = f"{name}, {AGENTS} agents, {1000 * PAUSE:g} ms a step"
        yield Row(path, ours, "agent steps/s", peer, "threaded: false", ours / peer, 1.2, 1.4)


def steps_per_second(logs: Sequence[np.ndarray], first: float, last: float) -> float:
    """Return agent steps per second from agent step `first` to `last` of one player.

    Args:
        logs: one array, whose rows are a time in seconds and the agent steps so far.
        first: where the measurement begins.
        last: where it ends; a whole number of rollouts later, so that as many updates are made.
    """
    (log,) = logs
    begin, end = np.interp([first, last], log[:, 1], log[:, 0])
    return float((last - first) / (end - begin))
