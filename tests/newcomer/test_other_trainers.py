"""The examples of docs/other-trainers.md run as printed, over a real player."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from tests.bridge.processes import free_port, write_player
from tests.needs import PETTINGZOO, SHELL, STABLE_BASELINES3

PAGE = Path(__file__).parents[2] / "docs" / "other-trainers.md"
GYMNASIUM, STABLE, ZOO = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
pytestmark = SHELL


def run(example: str, folder: Path, *changes: tuple[str, str]) -> dict[str, Any]:
    """The names that an example leaves, with a player and a port of its own."""
    player = write_player(folder, "-m", "bridge.player", "--env", "CartPole-v1", "--agents", 8)
    for old, new in (
        ("seed=0)\n", f"seed=0, base_port={free_port()})\n"),
        ("player.sh", str(player)),
        *changes,
    ):
        assert old in example
        example = example.replace(old, new, 1)
    names: dict[str, Any] = {}
    exec(example, names)
    return names


def test_gymnasium(tmp_path: Path) -> None:
    names = run(GYMNASIUM, tmp_path, ("1000", "200"))
    assert names["finished"] > 20
    assert names["last"].shape == (4,)


@PETTINGZOO
def test_pettingzoo(tmp_path: Path) -> None:
    names = run(ZOO, tmp_path)
    assert names["env"].possible_agents == [f"CartPole-v1_{place}" for place in range(8)]
    assert all(names["terminated"].values())


@STABLE_BASELINES3
def test_stable_baselines3_learns(tmp_path: Path) -> None:
    """A policy that chooses at random holds the pole for about 22 steps."""
    names = run(STABLE, tmp_path, ("60_000", "16_000"))
    assert np.mean([episode["r"] for episode in names["model"].ep_info_buffer]) > 60
