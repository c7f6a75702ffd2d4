"""Films of games that are faster than a video: some states are left out, so that the speed stays right."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mlagents_envs.base_env import BaseEnv
from needs import VIDEO
from test_match import Race
from test_video import decoded

from trainers.playback.video import film_agents


class Fast(Race):
    """A race of 120 states in a second."""

    metadata = {"render_fps": 120}  # noqa: RUF012


def play(env: BaseEnv) -> None:
    """Two rounds of three."""
    env.reset()
    env.step()
    env.step()


@VIDEO
def test_every_third_state_of_a_hundred_and_twenty_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = ModuleType("fast.race_v0")
    module.parallel_env = Fast
    monkeypatch.setitem(sys.modules, "fast", ModuleType("fast"))
    monkeypatch.setitem(sys.modules, "fast.race_v0", module)
    film = tmp_path / "film.mp4"
    film_agents(film, "fast/race_v0", {}, range(4), play)
    pictures, fps = decoded(film)
    assert (len(pictures), fps) == (4, 40.0), "the first state of each episode"
