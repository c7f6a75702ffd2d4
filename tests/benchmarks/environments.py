"""One environment against 32 on Walker2d-v5: time of an update with its rollout, and time to a mean return of 2,000.

Rollouts are 2,048 steps of each environment, minibatches 128, epochs 10; the rest is as in the default file. A third
case lets 32 environments share a rollout of 2,048 steps, which separates the number of environments from the amount of
data. Each case trains two seeds at the same time, on one thread each. The curves are written to
`docs/curves/one-or-many-environments.csv` and `.png`, except with `--quick`.
"""

import json
import statistics
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gym_adapters.files import write_text
from tests.benchmarks.common import ROOT, Options, Row, ours
from trainers.records.plots import draw_curves
from trainers.records.reports import csv_text

SCORE = 2000
SEEDS = (0, 1)
CASES = (("1 env × 2,048", 1, 2048), ("32 envs × 2,048", 32, 65_536), ("32 envs × 64", 32, 2048))
CURVES = ROOT / "docs" / "curves" / "one-or-many-environments"


def run(options: Options) -> Iterator[Row]:
    """Yield two rows per case: seconds of an update with its rollout, and seconds to the score."""
    curves: dict[str, dict[int, float]] = {}
    firsts: dict[str, float] = {}
    for name, envs, rollout in CASES:
        with ThreadPoolExecutor(len(SEEDS)) as pool:
            jobs = [pool.submit(_train, seed, envs, rollout, options.work(4_000_000)) for seed in SEEDS]
            results = [job.result() for job in jobs]
        for seed, result in zip(SEEDS, results, strict=True):
            curves[f"{name}, seed {seed}"] = {round(second): mean for _, second, mean in result["curve"]}
        update = statistics.fmean(rollout / result["rate"] for result in results)
        seconds = statistics.fmean(result["seconds"] for result in results)
        ends = (f"{result['step']:,}{'' if result['reached'] else ', not there'}" for result in results)
        yield _row(f"{name}: rollout and update", update, f"{rollout:,} agent steps", firsts)
        yield _row(f"{name}: to {SCORE:,}", seconds, f"agent steps {'; '.join(ends)}", firsts)
    if not options.quick:
        _write(curves)


def _row(path: str, seconds: float, note: str, firsts: dict[str, float]) -> Row:
    """Return a row whose peer is the first case; `firsts` keeps the seconds of that case by what was measured."""
    peer = firsts.setdefault(path.partition(": ")[2], seconds)
    return Row(path, seconds, "s", peer, CASES[0][0], peer / seconds, note=note)


def _train(seed: int, envs: int, rollout: int, steps: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = [
            f"env_settings.seed={seed}",
            f"env_settings.num_envs={envs}",
            f"behaviors.*.max_steps={steps}",
            "behaviors.*.time_horizon=2048",
            "behaviors.*.summary_freq=10000",
            f"behaviors.*.hyperparameters.buffer_size={rollout}",
            "behaviors.*.hyperparameters.batch_size=128",
            "torch_settings.num_threads=1",
            f"checkpoint_settings.results_dir={folder}",
        ]
        start = max(rollout, 20_480)
        wanted = {"set": settings, "score": SCORE, "between": [start, start + max(2 * rollout, 20_480)]}
        result: dict[str, Any] = ours(
            "train_ours", "unity_configs/ppo/Walker2d-v5.yaml", "Walker2d-v5", json.dumps(wanted)
        )
    return result


def _write(curves: dict[str, dict[int, float]]) -> None:
    rows: list[list[object]] = [["run", "seconds", "mean return of the last 100 training episodes"]]
    rows += [
        [name, second, f"{mean:.1f}"] for name, curve in curves.items() for second, mean in curve.items()
    ]
    write_text(CURVES.with_suffix(".csv"), csv_text(rows))
    draw_curves("Walker2d-v5, one environment or 32", curves, CURVES.with_suffix(".png"), "seconds")
