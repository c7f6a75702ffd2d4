"""Searches whose trainings take no time: the measure is a formula of the settings; and what they wrote."""

import csv
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from trainers.config import RunSettings
from trainers.search.cli import main
from trainers.search.trial import TrialError

OUT = Path("searches", "space")
RATE, LAYERS = "behaviors.*.hyperparameters.learning_rate", "behaviors.*.network_settings.num_layers"

SPACE = """
settings:
  behaviors: {{CartPole-v1: {{trainer_type: ppo, max_steps: 400, summary_freq: 100}}}}
  env_settings: {{env_path: CartPole-v1}}
space:
  behaviors.*.hyperparameters.learning_rate: {{low: 1e-4, high: 1e-2, log: true}}
  behaviors.*.network_settings.num_layers: {{choices: [1, 2, 3]}}
seeds: [0, 1]
{more}
"""


def write_space(folder: Path, more: str = "") -> Path:
    path = folder / "space.yaml"
    path.write_text(SPACE.format(more=more))
    return path


def value_of(settings: RunSettings, seed: int) -> float:
    """Best with one layer and a rate of 1e-3."""
    behavior = settings.behaviors["CartPole-v1"]
    rate, layers = behavior.hyperparameters.learning_rate, behavior.network_settings.num_layers
    return -abs(rate - 1e-3) - layers + 0.1 * seed


def train_at_once(
    settings: RunSettings,
    seeds: Sequence[int],
    folder: Path,
    measure: str,
    behavior: str | None,
    report: Callable[[int, float], None],
) -> dict[int, float]:
    """In place of `train_seeds`: four summaries; three layers fail."""
    if settings.behaviors["CartPole-v1"].network_settings.num_layers == 3:
        raise TrialError("seed 0: three layers")
    values = {seed: value_of(settings, seed) for seed in seeds}
    for summary in range(1, 5):
        report(summary, sum(values.values()) / len(values))
    return values


def trials(out: Path = OUT) -> list[dict[str, str]]:
    with (out / "trials.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def states(out: Path = OUT) -> Counter[str]:
    return Counter(row["state"] for row in trials(out))


def space_without_failures(folder: Path, more: str = "") -> Path:
    path = write_space(folder, more)
    path.write_text(path.read_text().replace("[1, 2, 3]", "[1, 2]"))
    return path


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def worker(beat: int, grace: int, pause: int, together: int, *arguments: str) -> int:
    """A process of a search without pictures, whose trials take a while and begin when this many processes have one."""
    from trainers.search import pictures, storage, study

    def train_slowly(*given):
        Path(f"begun-{os.getpid()}").touch()
        while len([*Path().glob("begun-*")]) < together:
            time.sleep(0.05)
        time.sleep(pause)
        return train_at_once(*given)

    storage.BEAT_SECONDS, storage.GRACE_SECONDS = beat, grace
    study.train_seeds = train_slowly
    pictures.draw_trials = lambda *_: None
    return main(arguments)


if __name__ == "__main__":
    raise SystemExit(worker(*map(int, sys.argv[1:5]), *sys.argv[5:]))
