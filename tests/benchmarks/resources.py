"""Speed beside a busy process, memory over a long run, and time to the first environment step."""

import multiprocessing
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial

from tests.benchmarks.common import Options, Row, best, side, trained
from tests.benchmarks.sac import UPDATES, updates_per_second

FILE, ENVIRONMENT = "unity_configs/ppo/Walker2d-v5.yaml", "Walker2d-v5"


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
    return float(
        trained(FILE, ENVIRONMENT, [f"behaviors.*.max_steps={steps}"], between=[steps // 4, steps])["rate"]
    )


def _memory(options: Options) -> Row:
    """Train one epoch per update, since the memory in use does not depend on the number of epochs."""
    early, late = options.work(200_000), options.work(2_000_000)
    settings = [
        f"behaviors.*.max_steps={late}",
        "behaviors.*.checkpoint_interval=100000",
        "behaviors.*.hyperparameters.num_epoch=1",
    ]
    before, after = trained(FILE, ENVIRONMENT, settings, between=[early, late])["memory"]
    return Row(
        f"RSS after {late:,} steps / after {early:,}",
        after,
        "MiB",
        before,
        "earlier",
        after / before,
        1.05,
        1.0,
        lower_is_better=True,
    )


def _start(options: Options) -> Row:
    seconds = statistics.median(float(side(sys.executable, "start")) for _ in range(options.repeats))
    return Row("command to first environment step", seconds, "s", at_least=5.0, aim=3.0, lower_is_better=True)
