"""`python -m tests.benchmarks.gpu`: what a CUDA GPU brings, in under eight minutes.

It prints the agent steps per second and the shares of the time with 64 environments: with gradient steps recorded as
CUDA graphs, without, and on the CPU. Then SAC's recipe for Humanoid-v5 runs with one update for each agent step, for as
long as there is time, and the policy is evaluated. With `--device cpu --quick` it can be tried anywhere.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.common import ROOT, SkippedError, ours

ENVIRONMENTS = 64
CASES = {
    "PPO ALE/Assault-v5": ("unity_configs/ppo/Assault-v5.yaml", "ALE/Assault-v5", 8192 + 64, 8192),
    "PPO Humanoid-v5": ("unity_configs/ppo/Humanoid-v5.yaml", "Humanoid-v5", 3 * 4096, 4096),
    "SAC Humanoid-v5, one update a step": ("unity_configs/sac/Humanoid-v5.yaml", "Humanoid-v5", 6400, None),
}
"""File, environment, agent step at which the clock starts, and the rollout of an update."""
SAC = "unity_configs/sac/Humanoid-v5.yaml"
WAYS = {
    "GPU, recorded": ["torch_settings.cuda_graphs=true"],
    "GPU, as usual": ["torch_settings.cuda_graphs=false"],
    "CPU": ["torch_settings.device=cpu"],
}


def overrides(rollout: int | None, device: str, folder: Path) -> list[str]:
    """Return the settings of a case with 64 environments."""
    key = "behaviors.*.hyperparameters"
    learning = f"{key}.steps_per_update=1" if rollout is None else f"{key}.buffer_size={rollout}"
    return [
        f"env_settings.num_envs={ENVIRONMENTS}",
        f"checkpoint_settings.results_dir={folder}",
        f"torch_settings.device={device}",
        learning,
    ]


def measure(name: str, way: str, seconds: float, device: str, folder: Path) -> dict[str, Any]:
    """Train a case for some seconds in one way. Return the rate and the shares of the time."""
    file, env, first, rollout = CASES[name]
    settings = [*overrides(rollout, device, folder), f"checkpoint_settings.run_id={time.monotonic_ns()}"]
    wanted = {"set": [*settings, *WAYS[way]], "between": [first], "seconds": seconds}
    found: dict[str, Any] = ours("train_ours", file, env, json.dumps(wanted), timeout=seconds + 120)
    return found


def line(name: str, way: str, found: dict[str, Any]) -> str:
    """Return a row of the table."""
    shares = ", ".join(f"{part} {share:.0%}" for part, share in found["shares"].items())
    return f"| {name} | {way} | {found['rate']:,.0f} | {shares} |"


def learn(name: str, steps: int, device: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a training run of SAC's recipe over so many agent steps."""
    settings = [*overrides(None, device, folder), f"behaviors.*.max_steps={steps}"]
    flags = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "trainers.sac", SAC, *flags, "--run-id", name, "--force"]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)


def main() -> None:
    """Measure, learn and evaluate."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.gpu", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--device", default="cuda", help="default: cuda")
    parser.add_argument("--minutes", type=float, default=7.5, help="time in all. Default: 7.5")
    parser.add_argument("--seconds", type=float, default=12.0, help="length of a measurement. Default: 12")
    parser.add_argument("--results-dir", type=Path, default=ROOT / "runs" / "gpu", metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="measure for 2 seconds, learn for 2,000 steps")
    arguments = parser.parse_args()
    end = time.monotonic() + 60.0 * arguments.minutes
    folder, device = arguments.results_dir.resolve(), arguments.device
    folder.mkdir(parents=True, exist_ok=True)
    rate = 0.0
    print("| task, 64 environments | way | agent steps/s | time |\n|---|---|---|---|", flush=True)
    for name in CASES:
        for way in WAYS:
            try:
                found = measure(name, way, 2.0 if arguments.quick else arguments.seconds, device, folder)
            except SkippedError as reason:
                print(f"| {name} | {way} | failed: {reason} | |", flush=True)
                continue
            print(line(name, way, found), flush=True)
            rate = found["rate"] if way == "GPU, recorded" else rate
    reserve = 45.0  # the evaluation, and what the start of a run takes
    steps = 2000 + 6000 if arguments.quick else int(rate * (end - time.monotonic() - reserve))
    print(f"\nSAC on Humanoid-v5, {steps:,} steps, one update each:", flush=True)
    run = learn("sac", steps, device, folder)
    try:
        run.wait(max(1.0, end - time.monotonic() - reserve / 2) if not arguments.quick else None)
    except subprocess.TimeoutExpired:
        run.terminate()  # which saves
        run.wait()
    print((folder / "sac.log").read_text(encoding="utf-8")[-1500:])
    evaluate = [sys.executable, "-m", "trainers.evaluate", str(folder / "sac"), "--episodes", "20"]
    subprocess.run(evaluate, cwd=ROOT, check=False)


if __name__ == "__main__":
    main()
