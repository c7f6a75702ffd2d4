"""The games stepped at once are those of the package, bit for bit."""

import dataclasses

import numpy as np
import pytest
from mlagents_envs.base_env import ActionTuple

pytest.importorskip("slime_volleyball", reason="the package slimevb is not installed")
from slime_volleyball.slimevolley_env import SlimeVolleyEnv

from tests.games.slime import NAMES, SlimeGames

COPIES = 4


def test_many_games_are_as_many_single_ones():
    games = SlimeGames(COPIES, 3, lives=1, max_steps=200)
    games.reset()
    singles = [SlimeVolleyEnv({"max_steps": 200}) for _ in range(COPIES)]

    def serve_alike(copy: int) -> None:
        singles[copy].reset(seed=0)
        state = singles[copy]._env_state  # noqa: SLF001  # the package has no other way to set the ball's speed
        singles[copy]._env_state = dataclasses.replace(state, ball_vel=games.ball_speed[:, copy].copy())  # noqa: SLF001

    for copy in range(COPIES):
        serve_alike(copy)
    random = np.random.default_rng(0)
    for step in range(700):
        if step % 7 == 0:
            buttons = random.integers(6, size=(2, COPIES))
        for side, name in enumerate(NAMES):
            games.set_actions(name, ActionTuple(discrete=buttons[side][:, None].astype(np.int32)))
        games.step()
        for copy, single in enumerate(singles):
            left, right = buttons[:, copy].tolist()
            seen, rewards, ended, cut, _ = single.step({"agent_left": left, "agent_right": right})
            over = ended["__all__"] or cut["__all__"]
            for name, agent in zip(NAMES, ("agent_left", "agent_right"), strict=True):
                decision, terminal = games.get_steps(name)
                steps = terminal if over else decision
                (row,) = np.flatnonzero(steps.agent_id % COPIES == copy)
                np.testing.assert_array_equal(steps.obs[0][row], seen[agent]["obs"])
                assert steps.reward[row] == rewards[agent]
                if over:
                    assert terminal.interrupted[row] == (not ended["__all__"])
            if over:
                serve_alike(copy)
