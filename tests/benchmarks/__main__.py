"""`python -m tests.benchmarks NAME … | --all`: speed as ratios against peers, measured in one run.

Peers are installed for the measurement only: Stable-Baselines3, envpool, rl_games and SuperSuit for this Python or
for the one given with `--peers`, and the real `mlagents-learn` anywhere, given with `--mlagents-learn`.
"""

import argparse
import importlib
import sys
from pathlib import Path

from tests.benchmarks.common import HEADER, Options, SkippedError, line

BENCHMARKS = {
    "stepping": "environments alone: Walker2d and Humanoid against Gymnasium and envpool",
    "ppo": "PPO on Walker2d against Stable-Baselines3, the same settings",
    "rl_games": "PPO on Walker2d against rl_games with envpool, 64 environments, minibatches of 2,048",
    "atari": "PPO on Assault against Stable-Baselines3, the same settings",
    "sac": "SAC on Walker2d against Stable-Baselines3, the same settings",
    "agents": "PettingZoo's simple_spread, 32 copies, against SuperSuit",
    "score": "Walker2d-v5 to a mean training return of 3,000 against Stable-Baselines3, wall-clock",
    "environments": "Walker2d-v5 with one environment against 32: an update, and a mean training return of 2,000",
    "protocol": "learning over Unity's protocol with a player of zero cost against mlagents-learn",
    "bridge": "the bridge alone against mlagents_envs.UnityEnvironment",
    "vector": "the bridge as a Gymnasium vector environment against the loop over BaseEnv",
    "threaded": "the same protocol with a player of 5 ms a step: updates in a thread against updates in the loop",
    "workers": "learning with four such players against mlagents-learn",
    "scaling": "µs per agent step for 10 to 10,000 agents and 1 to 8 players",
    "scale": "two ranks against one, a core each; the cost of a message for 1 to 16 ranks; a slow rank; two machines",
    "resources": "speed beside a busy process, memory over a long run, time to the first step",
}


def main() -> int:
    """Run the benchmarks named and print their tables. Return 1 if one could not run."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="; ".join(f"{k}: {v}" for k, v in BENCHMARKS.items())
    )
    parser.add_argument("--all", action="store_true", help="every benchmark")
    parser.add_argument(
        "--peers", type=Path, default=Path(sys.executable), metavar="PYTHON", help="Python of the peers"
    )
    parser.add_argument("--mlagents-learn", type=Path, metavar="PATH", help="the real mlagents-learn")
    parser.add_argument(
        "--repeats", type=int, default=3, help="number of rounds; the best one counts. Default: 3"
    )
    parser.add_argument(
        "--quick", action="store_true", help="do a tenth of the work, to check that the benchmarks run"
    )
    arguments = parser.parse_args()
    names = list(BENCHMARKS) if arguments.all else arguments.names
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown or not names:
        parser.error(
            f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}"
            if unknown
            else "name one, or --all"
        )
    options = Options(arguments.peers, arguments.mlagents_learn, arguments.repeats, arguments.quick)
    failed = False
    for name in names:
        print(f"\n## {name}: {BENCHMARKS[name]}\n", flush=True)
        try:
            print(HEADER, flush=True)
            for row in importlib.import_module(f"tests.benchmarks.{name}").run(options):
                print(line(row), flush=True)
        except SkippedError as reason:
            print(f"not run: {reason}", flush=True)
            failed = True
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
