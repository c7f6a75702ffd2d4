"""PPO on Assault against Stable-Baselines3 with the same settings."""

from collections.abc import Iterator
from dataclasses import replace

from tests.benchmarks.common import Options, Row
from tests.benchmarks.ppo import compare

ASSAULT = {
    "file": "unity_configs/ppo/Assault-v5.yaml",
    "envs": 8,
    "rollout": 128,
    "minibatch": 256,
    "epochs": 4,
    "rollouts": 6,
    "targets": (1.6, 2.0),
}
PRECISIONS = ("auto", "float32")
"""Precisions of this project's image encoders; `auto` takes the fastest."""


def run(options: Options) -> Iterator[Row]:
    """Measure with the Nature CNN shared by actor and critic on both sides."""
    for precision in PRECISIONS:
        row = compare(
            options, "ALE/Assault-v5", {**ASSAULT, "set": [f"torch_settings.precision={precision}"]}
        )
        yield replace(row, note=f"precision: {precision}")
