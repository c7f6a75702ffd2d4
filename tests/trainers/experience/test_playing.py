"""Episodes that are played without learning: which agents' count."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from mlagents_envs.base_env import ActionTuple

from gym_adapters.errors import UserError
from gym_adapters.make import make_env
from gym_adapters.parallel_env import ParallelEnvAdapter
from tests.bridge.bridge_games.turns_v0 import Turns
from trainers.experience import playing
from trainers.experience.playing import Played, play, play_all, specs_with

GAME = "tests.bridge.bridge_games/turns_v0"


class Zero:
    """Takes action 0."""

    spec = next(iter(ParallelEnvAdapter(Turns, 1, "game_v0").behavior_specs.values()))

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
    assert [episode.length for episode in play_all(env, [Zero("black")])["black"]] == [2, 2, 2]


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


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (["white"], ""),
        (["grey", "white"], ""),
        (["grey"], "waiting up to 50 steps for behavior grey; the player has white, black so far"),
        (["a-1", "a"], "waiting up to 50 steps for behavior a-1 or a; the player has white, black so far"),
    ],
)
def test_a_wait_for_a_behavior_is_announced_at_once(
    wanted: list[str], told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(playing, "PATIENCE", 50)
    env = make_env(GAME, 2, 0, {"roles": True})
    step, said = env.step, []

    def watched() -> None:
        said.append(caplog.messages[:])
        step()

    monkeypatch.setattr(env, "step", watched)
    assert list(specs_with(env, wanted)) == ["white", "black"]
    assert said == ([[told]] * 50 if told else [])
