"""A run of Slime Volleyball against the expert that comes with the game, in the score that is published for others.

python -m tests.games.slime_expert RUN --games 1000
"""

import argparse
import sys

import numpy as np

from tests.games.slime import NAMES, SlimeGames
from tests.games.slime_v0 import Expert
from trainers import load_policy


def scores(run: str, games: int, seed: int, deterministic: bool) -> np.ndarray:
    """Points won minus points lost of each game, (games,); half of the games from each side."""
    policy, half = load_policy(run), games // 2
    found = []
    for side, name in enumerate(NAMES):
        env, expert = SlimeGames(half, seed + side), Expert({}, seed)
        other = NAMES[1 - side]
        total, over = np.zeros(half), np.zeros(half, bool)
        env.reset()
        while not over.all():
            own, opposite = env.get_steps(name)[0], env.get_steps(other)[0]
            env.set_actions(name, policy.act(own.obs, deterministic))
            env.set_actions(other, expert.act(other, opposite))
            env.step()
            decision, terminal = env.get_steps(name)
            total += np.where(over, 0.0, decision.reward)
            ended = terminal.agent_id % half
            total[ended] += np.where(over[ended], 0.0, terminal.reward)
            over[ended] = True
        found.append(total)
    return np.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--games", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=10000)
    parser.add_argument("--deterministic", action="store_true")
    wanted = parser.parse_args()
    found = scores(wanted.run, wanted.games, wanted.seed, wanted.deterministic)
    error = found.std() / np.sqrt(len(found))
    won, lost = (found > 0).mean(), (found < 0).mean()
    sys.stdout.write(
        f"score {found.mean():.3f} ± {error:.3f} over {len(found)} games; won {won:.1%}, lost {lost:.1%}\n"
    )


if __name__ == "__main__":
    main()
