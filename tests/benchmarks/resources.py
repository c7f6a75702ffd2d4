"""Speed beside a busy process, memory over a long run, and time to the first environment step."""

import json
import multiprocessing
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial

from tests.benchmarks.common import Options, Row, best, ours, side
from tests.benchmarks.sac import UPDATES, updates_per_second


def run(options: Options) -> Iterator[Row]:
    """Measure all three on Walker2d-v5, the first with a network for one thread and one for several."""
    steps, updates = options.work(100_000), options.work(UPDATES)
    yield _beside_busy_process(options, "PPO Walker2d-v5", "steps/s", partial(_rate, steps), 0.45, 0.5)
    sac = partial(updates_per_second, updates)
    yield _beside_busy_process(options, "SAC Walker2d-v5, [256, 256]", "updates/s", sac)
    yield _start(options)
    yield _memory(options)


def _beside_busy_process(
    options: Options,
    what: str,
    unit: str,
    alone: Callable[[], float],
    at_least: float | None = None,
    aim: float | None = None,
) -> Row:
    def beside() -> float:
        other = multiprocessing.get_context("spawn").Process(target=spin, daemon=True)
        other.start()
        try:
            return alone()
        finally:
            other.terminate()
            other.join()

    busy, quiet = best(options.repeats, beside, alone)
    return Row(f"{what} beside a busy process", busy, unit, quiet, "alone", busy / quiet, at_least, aim)


def spin() -> None:
    """Keep one core busy until the process is killed."""
    while True:
        sum(range(10_000))


def _rate(steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"behaviors.*.max_steps={steps}", f"checkpoint_settings.results_dir={folder}"]
        wanted = {"set": settings, "between": [steps // 4, steps]}
        return float(
            ours("train_ours", "unity_configs/ppo/Walker2d-v5.yaml", "Walker2d-v5", json.dumps(wanted))[
                "rate"
            ]
        )


def _memory(options: Options) -> Row:
    early, late = options.work(200_000), options.work(2_000_000)
    result = ours("memory", early, late)
    return Row(
        f"RSS after {late:,} steps / after {early:,}",
        result["late"],
        "MiB",
        result["early"],
        "earlier",
        result["late"] / result["early"],
        1.05,
        1.0,
        lower_is_better=True,
    )


def _start(options: Options) -> Row:
    seconds = statistics.median(float(side(sys.executable, "start")) for _ in range(options.repeats))
    return Row("command to first environment step", seconds, "s", at_least=5.0, aim=3.0, lower_is_better=True)
