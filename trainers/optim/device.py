"""The choice of device, CPU threads and precision of image encoders, by measurement."""

import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import psutil
import torch

from gym_adapters.errors import UserError
from gym_adapters.limits import TRIAL_BYTES
from gym_adapters.text import first_line
from trainers.config import TorchSettings
from trainers.networks.policy_network import PolicyNetwork
from trainers.optim.collective import Collective
from trainers.optim.measured import Measured
from trainers.optim.numpy_path import has_gradient, is_small
from trainers.optim.threads import torch_threads

MOST_ROWS = 2048
"""The most rows of a gradient step that is measured."""
REPEATS = 3
"""Least number of gradient steps measured, of which the shortest counts. One more comes before them to warm up."""
LEAST_SECONDS = 0.2
"""Steps are measured for at least this long, since a few short ones may all meet another program."""
WORTH_IT = 1.15
"""A more complex choice is taken only if it is faster by this factor."""
IDLE = 0.25
"""A measurement is kept if other programs use less than this part of one core. Beside them it says little."""
WATCHED_SECONDS = 0.2
"""How long the use of the processor is watched before a measurement."""
HOPELESS = 2.0
"""The measurement of a choice ends after a step that took this many times as long as the best choice's."""


@dataclass(frozen=True)
class Compute:
    """Where and how a network is computed.

    Attributes:
        device: torch device.
        threads: CPU threads of torch.
        bfloat16: whether image encoders compute in bfloat16. Everything else is float32.
    """

    device: torch.device
    threads: int
    bfloat16: bool = False

    def __str__(self) -> str:
        threads = (
            f", {self.threads} thread{'s' if self.threads > 1 else ''}" if self.device.type == "cpu" else ""
        )
        return f"{self.device}{threads}{', images in bfloat16' if self.bfloat16 else ''}"


class Choice(NamedTuple):
    """Where and how to compute, the reason as text for the user, and whether it comes from a measurement."""

    compute: Compute
    reason: str
    by_measurement: bool = False


def choose_compute(
    policy: PolicyNetwork,
    batch_size: int,
    wanted: TorchSettings,
    most_threads: int,
    measured: Measured,
    say: Callable[[str], object],
) -> Choice:
    """Choose where and how to compute a behavior's policy.

    Choices that the training file leaves open are made by measuring gradient steps on random data. What was measured
    while the machine was busy holds for this run alone.

    Args:
        policy: a network like the one to be trained. Its weights are not changed.
        batch_size: decisions per gradient step.
        wanted: the training file's `torch_settings`.
        most_threads: the most CPU threads to use.
        measured: earlier results of this machine. A new one is added if the machine is idle.
        say: is told before a measurement, which may take seconds.

    Raises:
        UserError: torch has no such device on this machine.
    """
    row_bytes = 4 * sum(math.prod(observation.shape) for observation in policy.spec.observation_specs)
    rows = max(1, min(MOST_ROWS, batch_size, TRIAL_BYTES // max(1, row_bytes)))
    candidates = list(_candidates(policy, rows, wanted, most_threads))
    if len(candidates) == 1:
        asked = wanted.device or wanted.num_threads
        return Choice(candidates[0], "as asked" if asked else "the only choice")
    if is_small(policy.size, rows) and has_gradient(policy):
        return Choice(candidates[0], "a network this small is fastest there")
    conditions = {
        "network": policy.description(),
        "rows": rows,
        "choices": [str(candidate) for candidate in candidates],
        "machine": [platform.node(), platform.processor(), psutil.cpu_count(), torch.__version__],
        "idle": True,
    }
    known = measured.read(**conditions)
    for candidate in candidates:
        if known and known.get("chosen") == str(candidate):
            return Choice(candidate, f"measured earlier on this machine: {known.get('times')}", True)
    say(f"measuring which of {len(candidates)} ways of computing this network is fastest ...")
    idle = others_load(WATCHED_SECONDS) < IDLE
    chosen, text = _fastest(policy, candidates, rows)
    if idle:
        measured.write({"chosen": str(chosen), "times": text}, **conditions)
    beside = "" if idle else ", beside other programs, so it holds for this run alone"
    return Choice(chosen, f"measurement of a gradient step on {rows} rows{beside}: {text}", True)


def _fastest(policy: PolicyNetwork, candidates: Sequence[Compute], rows: int) -> tuple[Compute, str]:
    """Return the fastest candidate, and the times of all as text. A later one must be faster by `WORTH_IT`."""
    times: dict[Compute, list[float]] = {}
    chosen = candidates[0]
    for candidate in candidates:
        times[candidate] = list(gradient_seconds(policy, candidate, rows, times.get(chosen)))
        if _shortest(times[candidate]) * WORTH_IT < _shortest(times[chosen]):
            chosen = candidate
    shown = [f"{candidate}: {_shortest(seconds) * 1e3:.1f} ms" for candidate, seconds in times.items()]
    return chosen, "; ".join(shown)


def others_load(seconds: float) -> float:
    """Return how many cores other programs use, while this one waits for some seconds."""
    return psutil.cpu_percent(seconds) / 100.0 * (psutil.cpu_count() or 1)


def agreed_choice(choice: Choice | None, collective: Collective) -> Choice:
    """Return rank 0's choice for this process. On a GPU, each rank of a machine takes one of its own.

    Args:
        choice: rank 0's choice; not looked at on other ranks.
        collective: the ranks that train together.

    Raises:
        UserError: this machine has no such device.
    """
    told = None
    if choice is not None:
        if collective.size == 1:
            return choice
        compute = choice.compute
        told = [str(compute.device), compute.threads, compute.bfloat16, choice.reason, choice.by_measurement]
    device, threads, bfloat16, reason, by_measurement = collective.gather_values(told)[0]
    if torch.device(device).type == "cuda":
        device = f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cuda"
    return Choice(Compute(find_device(device), threads, bfloat16), reason, by_measurement)


def _shortest(seconds: Sequence[float]) -> float:
    """The shortest step, without the warm-up if there is another."""
    return min(seconds[1:] or seconds)


def find_device(name: str) -> torch.device:
    """Return the torch device called `name`.

    Raises:
        UserError: torch has no such device on this machine.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # `meta` has no numbers to read
    except (RuntimeError, AssertionError, ImportError) as error:
        raise UserError(
            f"--torch-device {name}: not available here ({first_line(error)}); try cpu"
        ) from error
    return device


def _candidates(
    policy: PolicyNetwork, rows: int, wanted: TorchSettings, most_threads: int
) -> Iterator[Compute]:
    """Yield the choices that the training file allows, the simplest first."""
    if wanted.device not in (None, "auto"):
        devices = [find_device(str(wanted.device))]
    else:
        devices = [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]
    small = is_small(policy.size, rows) and not policy.image_columns
    asked = wanted.precision == "bfloat16"
    for device in devices:
        several = device.type == "cpu" and not small and most_threads > 1
        counts = [wanted.num_threads] if wanted.num_threads else [1, most_threads] if several else [1]
        for threads in counts:
            if wanted.precision != "bfloat16" or not policy.image_columns:
                yield Compute(device, threads)
            halved = device.type == "cuda" or (device.type == "cpu" and (asked or has_bfloat16()))
            if wanted.precision != "float32" and policy.image_columns and halved:
                yield Compute(device, threads, bfloat16=True)


def gradient_seconds(
    policy: PolicyNetwork, compute: Compute, rows: int, best: Sequence[float] | None = None
) -> Iterator[float]:
    """Yield the times of gradient steps on random observations, in seconds; the first one warms up.

    Args:
        policy: moved to the device of `compute`; its weights are not changed.
        compute: where and how to compute.
        rows: number of observations.
        best: the times of the best choice so far. A choice that is hopeless beside it is measured no longer than
            `LEAST_SECONDS`. Nothing is concluded from the warm-up of a GPU, which starts its driver.
    """
    policy = policy.to(compute.device)
    policy.mixed_precision = compute.bfloat16
    generator = torch.Generator().manual_seed(0)
    observations = []
    for observation in policy.spec.observation_specs:
        shape = (rows, *observation.shape)
        values = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        images = len(observation.shape) == 3
        observations.append((values if images else values.float() / 255.0).to(compute.device))
    times: list[float] = []
    hopeless = False
    while sum(times) < LEAST_SECONDS or not (hopeless or len(times) > REPEATS):
        with torch_threads(compute.threads):
            times.append(timed_step(policy, observations))
        yield times[-1]
        if best is not None and (len(times) > 1 or compute.device.type == "cpu"):
            hopeless = _shortest(times) > HOPELESS * (best[0] if len(times) == 1 else _shortest(best))
    policy.zero_grad()


def has_bfloat16() -> bool:
    """Whether the CPU computes in bfloat16 itself; true if torch does not know. Emulation is many times slower."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    known = [bool(has) for name, has in capabilities.items() if "bf16" in name]
    return not known or any(known)


def timed_step(policy: PolicyNetwork, observations: list[torch.Tensor]) -> float:
    """Return the time of one gradient step on these observations, in seconds."""
    start = time.perf_counter()
    loss = policy.trial_loss(policy.prepare(observations))
    loss.backward()
    if loss.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
