"""Several ranks under torchrun: their speed against that of one, the cost of a message, slow ranks, and slow lines."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.common import ROOT, SIDES, Options, Row, SkippedError, best
from tests.benchmarks.latency import ADDRESSES, NAMES, two_machines
from tests.benchmarks.players import WALKER, free_ports, write_player

RANKS = (1, 2, 4, 8, 16)
LATENCIES = (0.0, 0.001, 0.010)
SLOW_SECONDS = 0.02
"""Time that a slow rank sleeps in each step of its environments."""


@dataclass(frozen=True)
class Job:
    """What is trained.

    Attributes:
        file: the training file.
        env: the environment.
        rollout: agent steps of an update of one rank.
        updates: updates to measure.
        envs: environments of one rank.
        settings: further overrides.
    """

    file: str
    env: str
    rollout: int
    updates: int
    envs: int
    settings: tuple[str, ...] = ()


WALKER2D = Job("unity_configs/ppo/Walker2d-v5.yaml", "Walker2d-v5", 2048, 10, 8)


def run(options: Options) -> Iterator[Row]:
    """Measure two ranks against one, the processor time of an update by the ranks, a slow rank, and two machines."""
    yield from _against_one(WALKER2D, "PPO Walker2d-v5", options)
    with tempfile.TemporaryDirectory() as folder:
        player = write_player(Path(folder), "--agents", 10, "--steps", 10**9)
        ports = f"env_settings.base_port={free_ports(4)}"
        wire = Job(str(WALKER), str(player), 20480, 3, 1, (ports, "engine_settings.no_graphics=true"))
        yield from _against_one(wire, "the Walker file over the wire, 10 agents a rank", options)
    yield from _messages(options)
    yield from _slow_rank(options)
    yield from _two_machines(options)


def _against_one(job: Job, name: str, options: Options) -> Iterator[Row]:
    """With totals (the default) each rank has a part of every minibatch; with `--scale-batch`, as much as one."""
    for scaled in (False, True):
        one, two = best(
            options.repeats,
            lambda: measure(job, 1, options)["rate"],
            lambda scaled=scaled: measure(job, 2, options, scaled=scaled)["rate"],
        )
        batch = "each rank has the file's batch" if scaled else "the file's batch is that of all"
        yield Row(
            f"{name}, 2 ranks, {batch}",
            two,
            "steps/s",
            2.0 * one,
            "2 x 1 rank",
            two / (2.0 * one),
            at_least=0.85,
            aim=0.95,
            note=f"{os.cpu_count()} cores",
        )


def _messages(options: Options) -> Iterator[Row]:
    """Processor time, which grows little when ranks share cores, and a line through it."""
    costs = []
    for ranks in RANKS[:2] if options.quick else RANKS:
        found = [measure(WALKER2D, ranks, options, scaled=True, pin=False) for _ in range(options.repeats)]
        costs.append((ranks, min(each["processor"] for each in found)))
        name = f"an update, {ranks} rank{'s' if ranks > 1 else ''}"
        yield Row(name, costs[-1][1] * 1e3, "ms of processor time")
    slope, base = np.polyfit(*zip(*costs, strict=True), 1)
    yield Row(
        "fitted: a + b x ranks", base * 1e3, "ms = a", slope * 1e3, "ms = b", note="for each rank and update"
    )


def _slow_rank(options: Options) -> Iterator[Row]:
    """Preemption: the fast rank goes on learning instead of waiting for one whose environments are slow."""
    slow = {"scaled": True, "slow": SLOW_SECONDS}
    waiting, preempting = best(
        options.repeats,
        lambda: measure(WALKER2D, 2, options, **slow)["rate"],
        lambda: measure(WALKER2D, 2, options, settings=("rank_settings.preemption=0.5",), **slow)["rate"],
    )
    name = "2 ranks, one of them slow, --rank-preemption 0.5"
    yield Row(name, preempting, "steps/s", waiting, "without", preempting / waiting)


def _two_machines(options: Options) -> Iterator[Row]:
    """A rank in each of two network namespaces, `--scale-batch`, by the latency between them."""
    for seconds in LATENCIES:
        with two_machines(seconds):
            found = [
                measure(WALKER2D, 2, options, scaled=True, is_divided=True) for _ in range(options.repeats)
            ]
        name = f"PPO Walker2d-v5, 2 machines, {seconds * 1e3:g} ms one way"
        yield Row(name, max(each["rate"] for each in found), "steps/s", note="each rank has the file's batch")


def measure(
    job: Job,
    ranks: int,
    options: Options,
    scaled: bool = False,
    pin: bool = True,
    slow: float = 0.0,
    settings: tuple[str, ...] = (),
    is_divided: bool = False,
) -> dict[str, float]:
    """Train for some updates, and return `rate` (agent steps/s of all ranks) and `processor` (s per update and rank).

    Args:
        job: what is trained.
        ranks: number of ranks.
        options: how much.
        scaled: whether each rank has as much as one process (`--scale-batch`).
        pin: whether each rank keeps to one core.
        slow: seconds that the last rank sleeps in each step of its environments.
        settings: further overrides.
        is_divided: whether the ranks are in the namespaces of `two_machines`.

    Raises:
        SkippedError: the training failed.
    """
    factor, updates = ranks if scaled else 1, options.work(job.updates)
    with tempfile.TemporaryDirectory() as folder:
        given = [
            f"behaviors.*.hyperparameters.buffer_size={job.rollout}",
            f"behaviors.*.max_steps={job.rollout * (updates + 3)}",
            f"env_settings.num_envs={job.envs if scaled else max(1, job.envs // ranks)}",
            f"checkpoint_settings.results_dir={folder}/runs",
            f"rank_settings.scale_batch={str(scaled and factor > 1).lower()}",
            "torch_settings.device=cpu",
            *job.settings,
            *settings,
        ]
        wanted = {"set": given, "updates": updates, "folder": folder, "pin": pin, "slow": slow}
        words = [str(SIDES / "train_ranks.py"), job.file, job.env, json.dumps(wanted)]
        if is_divided:
            commands = [[*_in_namespace(number), *words] for number in range(ranks)]
        elif ranks > 1:
            commands = [[*_torchrun("--nproc-per-node", str(ranks)), *words]]
        else:
            commands = [[sys.executable, *words]]
        _wait(
            [_start(command, number if is_divided else None) for number, command in enumerate(commands)],
            f"{ranks} ranks",
        )
        found = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]
    return {
        "rate": found[0]["rate"],
        "processor": sum(each["processor"] for each in found) / len(found),
    }


def _torchrun(*words: str) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", *words]


def _in_namespace(number: int) -> list[str]:
    meeting = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"{ADDRESSES[0]}:29500", "--rdzv-id", "scale")
    hosts = f"is_host={str(number == 0).lower()}"  # torchrun looks for the address among those of the machine's name
    local = (
        "--rdzv-conf",
        hosts,
        "--local-addr",
        ADDRESSES[number],
        "--nnodes",
        "2",
        "--nproc-per-node",
        "1",
    )
    return ["ip", "netns", "exec", NAMES[number], *_torchrun(*meeting, *local)]


def _start(command: list[str], namespace: int | None) -> subprocess.Popen[str]:
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    if namespace is not None:
        environment["GLOO_SOCKET_IFNAME"] = NAMES[namespace]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def _wait(processes: list[subprocess.Popen[str]], name: str) -> None:
    """Wait until all processes have ended.

    Raises:
        SkippedError: one of them failed.
    """
    errors = [process.communicate(timeout=3600)[1] for process in processes]
    for process, error in zip(processes, errors, strict=True):
        if process.returncode:
            raise SkippedError(f"{name}: {error.strip()[-600:]}")
