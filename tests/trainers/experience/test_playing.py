"""Episodes that are played without learning: which agents' count."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlagents_envs.base_env import ActionTuple, BaseEnv

from gym_adapters.errors import UserError
from gym_adapters.make import make_env
from gym_adapters.parallel_env import ParallelEnvAdapter
from tests.bridge.bridge_games.turns_v0 import Turns
from tests.bridge.processes import free_port, write_player
from tests.needs import SHELL
from trainers.config import load_settings
from trainers.experience import playing
from trainers.experience.playing import Played, play, play_all, play_ids
from trainers.training.environments import make_environment

GAME = "tests.bridge.bridge_games/turns_v0"


class Zero:
    """Takes action 0."""

    def __init__(self, name: str) -> None:
        self.name = name

    def act(self, observations: Sequence[np.ndarray], *_: Any) -> ActionTuple:
        return ActionTuple(discrete=np.zeros((len(observations[0]), 1), np.int32))

    def forget(self, agents: Any = None) -> None:
        pass


def played(players: Sequence[str], rounds: Sequence[int]) -> dict[str, list[Played]]:
    """One game in each copy; copy i ends after `rounds[i]` moves."""
    left = iter(rounds)
    env = ParallelEnvAdapter(lambda: Turns(rounds=next(left), players=tuple(players)), len(rounds), "game_v0")
    return play_all(env, [Zero(name) for name in env.behavior_specs])


@pytest.mark.parametrize("players", [("player_0", "player_1"), ("white_0", "black_0")])
def test_in_a_game_of_turns_every_player_s_first_episode_counts(players: tuple[str, str]) -> None:
    found = played(players, [4, 5, 2, 2])
    episodes = [episode for behavior in found.values() for episode in behavior]
    assert [(one.total, one.length) for one in episodes] == [
        *[(2.0, 2), (3.0, 3), (1.0, 1), (1.0, 1)],
        *[(4.0, 2), (4.0, 2), (2.0, 1), (2.0, 1)],
    ]


def test_a_player_that_never_moves_has_no_episode() -> None:
    found = played(("player_0", "player_1"), [1, 3])["game_v0"]
    assert [(one.total, one.length) for one in found] == [(1.0, 1), (2.0, 2), (2.0, 1)]


@contextmanager
def player(folder: Path, copies: int, *options: str) -> Iterator[BaseEnv]:
    """A Unity player whose scene is copies of the game of turns."""
    given = [part for option in options for part in ("--option", option)]
    game = ["-m", "bridge.player", "--env", GAME, "--agents", copies]
    path = write_player(folder, *game, *given)
    env = make_environment(
        load_settings({"env_settings": {"env_path": str(path), "base_port": free_port(), "seed": 3}})
    )
    try:
        yield env
    finally:
        env.close()


def lengths(found: dict[str, list[Played]]) -> dict[str, list[int]]:
    return {name: [episode.length for episode in episodes] for name, episodes in found.items()}


@SHELL
@pytest.mark.parametrize(
    ("option", "names", "ids"),
    [
        ("roles", ["white", "black"], ["black", "white"]),
        ("teams", ["turns_v0"], ["turns_v0?team=0", "turns_v0?team=1"]),
    ],
)
def test_in_a_player_who_asks_after_the_reset_is_played(
    tmp_path: Path, option: str, names: list[str], ids: list[str]
) -> None:
    """As in the trainer's own process. The second round begins with all behaviors known."""
    policies = [Zero(name) for name in names]
    own = make_env(GAME, 4, 3, {option: True})
    expected = play_ids(own, policies)
    assert list(expected) == ids
    for name, episodes in expected.items():
        pay = 2.0 if name in ("black", "turns_v0?team=1") else 1.0
        assert [episode.total for episode in episodes] == [pay * episode.length for episode in episodes]
    with player(tmp_path, 4, f"{option}=true") as env:
        assert list(play_ids(env, policies).values()) == list(expected.values())
        assert [len(episodes) for episodes in play_ids(env, policies).values()] == [4, 4]


@SHELL
def test_in_a_player_a_role_that_comes_after_the_first_games_is_waited_for(tmp_path: Path) -> None:
    with player(tmp_path, 1, "roles=true", "late=3", "rounds=4") as env:
        assert lengths(play_all(env, [Zero("white"), Zero("black")])) == {"white": [4], "black": [2]}
        assert lengths(play_all(env, [Zero("black")])) == {"black": [2]}


def test_a_role_that_never_comes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "PATIENCE", 50)
    env = make_env(GAME, 2, 0, {"roles": True, "late": 100})
    with pytest.raises(
        UserError, match=r"^the environment has white, black; the policy is for black, of which no agent "
    ):
        play_all(env, [Zero("white"), Zero("black")])
    with pytest.raises(
        UserError, match=r"^the environment has white, black; the policy is for grey, of which no agent "
    ):
        play_all(env, [Zero("grey")])


def test_the_second_player_alone_is_played_in_every_copy() -> None:
    env = make_env(GAME, 3, 0, {"roles": True, "rounds": 4})
    assert lengths(play_all(env, [Zero("black")])) == {"black": [2, 2, 2]}


class Leaves(Turns):
    """The second player is there in the first game alone."""

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.late = 10_000 if self.games else 0
        return super().reset(seed, options)


def test_a_role_that_does_not_come_often_enough_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "PATIENCE", 50)
    env = ParallelEnvAdapter(lambda: Leaves(roles=True), 1, "game_v0")
    with pytest.raises(
        UserError, match=r"^only 1 of black began an episode, and no other agent in 50 steps; ask for"
    ):
        list(play(env, [Zero("white"), Zero("black")], limit=3))
