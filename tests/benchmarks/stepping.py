"""Environments alone, with random actions: the upper limit of the speed of a run."""

import sys
from collections.abc import Iterator
from functools import partial

from tests.benchmarks.common import Options, Row, best, side

TARGETS = {
    "Walker2d-v5": {"sync": (1.8, 2.3)},
    "Humanoid-v5": {"sync": (2.1, 2.8), "envpool": (1.05, 1.25)},
    "HalfCheetah-v5": {"sync": (None, None)},
}
"""For each task, the target ratio against each peer, and that under good conditions."""


def run(options: Options) -> Iterator[Row]:
    """Compare 32 environments of each task with Gymnasium's vector environment, envpool and the bare physics."""
    for task, targets in TARGETS.items():
        steps = options.work(3000 if task == "Walker2d-v5" else 1000)
        kinds = ["sync", "physics", *(["envpool"] if "envpool" in targets else [])]
        measures = [partial(_steps_per_second, options, kind, task, steps) for kind in ["adapter", *kinds]]
        adapter, *others = best(options.repeats, *measures)
        for kind, figure in zip(kinds, others, strict=True):
            at_least, aim = targets.get(kind, (None, None))
            name = {
                "sync": "Gymnasium sync",
                "physics": "bare mujoco.batch",
                "envpool": "envpool, 2 threads",
            }[kind]
            yield Row(f"{task}, 32 envs", adapter, "steps/s", figure, name, adapter / figure, at_least, aim)


def _steps_per_second(options: Options, kind: str, task: str, steps: int) -> float:
    python = options.peers if kind == "envpool" else sys.executable
    return float(side(python, "step", kind, task, 32, steps))
