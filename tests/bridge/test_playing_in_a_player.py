"""Policies play and are recorded in a player whose behaviors and teams appear after the reset."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlagents_envs.base_env import ActionTuple, BaseEnv, BehaviorSpec
from processes import free_port, write_player

from gym_adapters.make import make_env
from trainers.config import load_settings
from trainers.experience.playing import play_all, play_ids
from trainers.playback.demonstrate import record
from trainers.training.environments import make_environment

GAME = "tests.bridge.bridge_games/turns_v0"


class Zero:
    """Takes action 0."""

    def __init__(self, name: str, spec: BehaviorSpec) -> None:
        self.name, self.spec = name, spec

    def act(self, observations: Sequence[np.ndarray], *_: Any) -> ActionTuple:
        return ActionTuple(discrete=np.zeros((len(observations[0]), 1), np.int32))

    def forget(self, agents: Any = None) -> None:
        pass


@contextmanager
def player(folder: Path, copies: int, *options: str) -> Iterator[BaseEnv]:
    """A player whose scene is copies of the game of turns."""
    given = [part for option in options for part in ("--option", option)]
    path = write_player(folder, "-m", "bridge.player", "--env", GAME, "--agents", copies, *given)
    place = {"env_path": str(path), "base_port": free_port(), "seed": 3}
    env = make_environment(load_settings({"env_settings": place}))
    try:
        yield env
    finally:
        env.close()


def policies_for(*names: str) -> list[Any]:
    env = make_env(GAME, 1)
    spec = env.behavior_specs["turns_v0"]
    env.close()
    return [Zero(name, spec) for name in names]


@pytest.mark.parametrize(
    ("option", "names", "ids"),
    [
        ("roles", ["white", "black"], ["black", "white"]),
        ("teams", ["turns_v0"], ["turns_v0?team=0", "turns_v0?team=1"]),
    ],
)
def test_who_asks_after_the_reset_is_played(
    tmp_path: Path, option: str, names: list[str], ids: list[str]
) -> None:
    """As in the trainer's own process. The second round begins with all behaviors known."""
    policies = policies_for(*names)
    own = make_env(GAME, 4, 3, {option: True})
    expected = play_ids(own, policies)
    assert list(expected) == ids
    for name, episodes in expected.items():
        pay = 2.0 if name in ("black", "turns_v0?team=1") else 1.0
        assert [episode.total for episode in episodes] == [pay * episode.length for episode in episodes]
    with player(tmp_path, 4, f"{option}=true") as env:
        assert list(play_ids(env, policies).values()) == list(expected.values())
        assert [len(episodes) for episodes in play_ids(env, policies).values()] == [4, 4]


def test_a_role_that_comes_after_the_first_games_is_waited_for(tmp_path: Path) -> None:
    white, black = policies_for("white", "black")
    with player(tmp_path, 1, "roles=true", "late=3", "rounds=4") as env:
        found = play_all(env, [white, black])
        assert [episode.length for episode in found["white"]] == [4]
        assert [episode.length for episode in found["black"]] == [2]
        assert [episode.length for episode in play_all(env, [black])["black"]] == [2]


def test_a_recording_has_the_first_episodes_of_each_role_however_late_it_comes(tmp_path: Path) -> None:
    with player(tmp_path, 1, "roles=true", "late=2") as env:
        found = record(env, policies_for("white", "black"), 3)
    assert {name: len(one.trajectories) for name, one in found.items()} == {"white": 3, "black": 3}
    assert {reward for run in found["black"].trajectories for reward in run.reward.tolist()} == {2.0}
