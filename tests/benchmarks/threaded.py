"""Updates in a thread (`threaded: true`) against updates in the loop, with a player that takes its time."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tests.benchmarks.common import ROOT, Options, Row, best
from tests.benchmarks.players import WALKER, train

PAUSE = 0.005
"""Seconds that the player takes for a step. It waits, as if it computed on a core of its own."""
BUFFER = 20480


@dataclass(frozen=True)
class Case:
    """What is trained.

    Attributes:
        name: its name in the table.
        trainer: the command's name.
        file: the training file.
        agents: agents of the player.
        first: agent steps before the measurement.
        part: agent steps after which as many updates have been made again.
        parts: so many of them are measured.
        targets: the ratio asked for, and the aim.
    """

    name: str
    trainer: str
    file: Path
    agents: int
    first: int
    part: int
    parts: int
    targets: tuple[float | None, float | None] = (None, None)


SAC_FILE = ROOT / "unity_configs" / "unity" / "sac" / "Walker.yaml"
# With PPO, the normaliser takes a tenth of a rollout before the first one, and the second tenth is there to settle.
CASES = (
    Case("PPO, the Walker file", "ppo", WALKER, 10, int(1.2 * BUFFER), BUFFER, 2, (1.2, 1.4)),
    Case("PPO, the Walker file", "ppo", WALKER, 100, int(1.2 * BUFFER), BUFFER, 4),
    Case("SAC, the Walker file", "sac", SAC_FILE, 10, 2_000, 3_000, 2),
)


def run(options: Options) -> Iterator[Row]:
    """Compare agent steps per second over whole rollouts, or over as many updates."""
    for case in CASES:
        last = case.first + case.part * (1 if options.quick else case.parts)
        measure = partial(steps_per_second, first=case.first, last=last)
        sides = []
        for threaded in ("true", "false"):
            command = [sys.executable, "-m", f"trainers.{case.trainer}", str(case.file)]
            command += [f"--set=behaviors.Walker.threaded={threaded}"]
            sides.append(partial(train, command, case.agents, 1, last + 10 * case.agents, PAUSE, measure))
        ours, peer = best(options.repeats, *sides)
        path = f"{case.name}, {case.agents} agents, {1000 * PAUSE:g} ms a step"
        yield Row(path, ours, "agent steps/s", peer, "threaded: false", ours / peer, *case.targets)


def steps_per_second(logs: Sequence[np.ndarray], first: float, last: float) -> float:
    """Return agent steps per second of one player.

    Args:
        logs: one array, whose rows are a time in seconds and the agent steps so far.
        first: agent step at which the measurement begins.
        last: agent step at which it ends.
    """
    (log,) = logs
    begin, end = np.interp([first, last], log[:, 1], log[:, 0])
    return float((last - first) / (end - begin))
