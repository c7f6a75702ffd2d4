"""Several ranks under torchrun: speed of two against one, and the processor time of an update by their number."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.benchmarks.common import ROOT, SIDES, Options, Row, SkippedError, best

FILE, ENV = "unity_configs/ppo/Walker2d-v5.yaml", "Walker2d-v5"
ROLLOUT, ENVS, UPDATES = 2048, 8, 10
RANKS = (1, 2, 4, 8)


def run(options: Options) -> Iterator[Row]:
    """Measure both meanings of the training file's counts, then what an update costs each rank.

    With totals (the default) each rank has a part of every minibatch; with `--scale-batch` each has as much as a single
    process. The last rows are processor time, which does not grow when ranks share cores.
    """
    updates = options.work(UPDATES)
    for scaled in (False, True):
        one, two = best(
            options.repeats,
            lambda: measure(1, updates, False)["rate"],
            lambda scaled=scaled: measure(2, updates, scaled)["rate"],
        )
        name = "each rank has the file's batch" if scaled else "the file's batch is that of all"
        yield Row(
            f"PPO {ENV}, 2 ranks, {name}",
            two,
            "steps/s",
            2.0 * one,
            "2 x 1 rank",
            two / (2.0 * one),
            note=f"{os.cpu_count()} cores",
        )
    costs = []
    for ranks in RANKS[:2] if options.quick else RANKS:
        seconds = [-measure(ranks, updates, True, pin=False)["processor"] for _ in range(options.repeats)]
        costs.append((ranks, -max(seconds)))
        yield Row(
            f"an update, {ranks} rank{'s' if ranks > 1 else ''}", costs[-1][1] * 1e3, "ms of processor time"
        )
    slope, base = np.polyfit(*zip(*costs, strict=True), 1)
    yield Row(
        "fitted: a + b x ranks", base * 1e3, "ms = a", slope * 1e3, "ms = b", note="for each rank and update"
    )


def measure(ranks: int, updates: int, scaled: bool, pin: bool = True) -> dict[str, float]:
    """Train for some updates, and return `rate` (agent steps/s of all ranks) and `processor` (s per update and rank).

    Raises:
        SkippedError: the training failed.
    """
    factor = ranks if scaled else 1
    with tempfile.TemporaryDirectory() as folder:
        settings = [
            f"behaviors.*.hyperparameters.buffer_size={ROLLOUT}",
            f"behaviors.*.max_steps={ROLLOUT * (updates + 3)}",
            f"env_settings.num_envs={ENVS if scaled else max(1, ENVS // ranks)}",
            f"checkpoint_settings.results_dir={folder}/runs",
            f"rank_settings.scale_batch={str(scaled and factor > 1).lower()}",
            "torch_settings.device=cpu",
        ]
        wanted = json.dumps({"set": settings, "updates": updates, "folder": folder, "pin": pin})
        start = ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks)] if ranks > 1 else []
        words = [sys.executable, *start, str(SIDES / "train_ranks.py"), FILE, ENV, wanted]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=3600, check=False
        )
        if done.returncode:
            raise SkippedError(f"{ranks} ranks: {done.stderr.strip()[-600:]}")
        found = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]
    return {
        "rate": found[0]["rate"],
        "processor": sum(each["processor"] for each in found) / len(found),
    }
