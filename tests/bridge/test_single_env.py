"""`UnitySingleEnv` against Gymnasium's own environment and its checker."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from processes import free_port, running, write_player

from bridge import UnitySingleEnv, start
from gym_adapters import UserError, make_env
from tests.needs import SHELL
from tests.trainers.scripted_env import Behavior, Life, ScriptedEnv, Visit, make_spec

pytestmark = pytest.mark.filterwarnings("ignore:.*A Box observation space:UserWarning")


@SHELL
@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version:UserWarning")
def test_a_player_passes_gymnasiums_checker_and_gives_the_same_numbers(tmp_path: Path) -> None:
    player = write_player(tmp_path, "-m", "bridge.player", "--env", "CartPole-v1")
    ours = gymnasium.make("bridge/Unity-v0", env_path=player, base_port=free_port(), seed=5)
    theirs = gymnasium.make("CartPole-v1")
    mine, expected = ours.reset(seed=5)[0], theirs.reset(seed=5)[0]
    rng = np.random.default_rng(0)
    for _ in range(100):
        np.testing.assert_array_equal(mine, expected)
        action = rng.integers(2)
        mine, *ours_ended, info = ours.step(action)
        expected, *theirs_ended, _ = theirs.step(action)
        assert ours_ended == theirs_ended
        assert (info["action_mask"] == [1, 1]).all()
        if ours_ended[1] or ours_ended[2]:
            np.testing.assert_array_equal(mine, expected)
            mine, expected = ours.reset()[0], theirs.reset()[0]
    check_env(ours.unwrapped, skip_render_check=True, skip_close_check=True)
    ours.close()


def test_without_a_path_the_editor_is_waited_for() -> None:
    """A player that was started by somebody else connects as the Editor does."""
    port = free_port()
    with running("-m", "bridge.player", "--env", "Pendulum-v1", "--mlagents-port", port):
        env = gymnasium.make("bridge/Unity-v0", base_port=port)
        observation, _ = env.reset()
        assert observation in env.observation_space
        env.close()


@SHELL
def test_players_without_a_seed_differ(tmp_path: Path) -> None:
    """As when a trainer makes several; some trainers give every environment a render mode."""
    player = write_player(tmp_path, "-m", "bridge.player", "--env", "Pendulum-v1")
    envs = [
        gymnasium.make("bridge/Unity-v0", env_path=player, base_port=free_port(), render_mode="rgb_array")
        for _ in range(2)
    ]
    first, second = (env.reset()[0] for env in envs)
    assert (first != second).any()
    for env in envs:
        env.close()


def test_a_seed_that_does_not_reach_the_environment_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    start._say_unseeded.cache_clear()  # noqa: SLF001 - other tests may have seen it
    env = UnitySingleEnv(make_env("Pendulum-v1", 1, 0))
    env.reset(seed=1)
    env.reset(seed=2)
    (record,) = caplog.records
    assert "pass seed=... when you make the environment" in record.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_players": 2}, "unknown option 'num_players' of a Unity player; there are seed, base_port"),
        ({"time_scale": "fast"}, "engine_settings.time_scale: expected a number"),
        ({"environment_parameters": {"gravity": {"curriculum": []}}}, "environment_parameters.gravity"),
        ({"environment_parameters": 3}, "environment_parameters: expected"),
        ({"environment_parameters": {"schwerkraft_ü": 3}}, "Unity reads ASCII names only"),
        ({"observations": "list"}, "observations='list': expected 'dict' or 'tuple'"),
        ({"limit": 0}, "limit=0: expected a whole number of 1 or more"),
        ({"limit": "1"}, "limit='1': expected a whole number of 1 or more"),
        ({"behavior": 3}, "behavior 3: expected a name, or names, of behaviors"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_a_player_starts(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        gymnasium.make("bridge/Unity-v0", env_path="no_player", **options)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_any_base_env_passes_gymnasiums_checker(env_id: str) -> None:
    env = UnitySingleEnv(make_env(env_id, 1, 0))
    env.spec = gymnasium.spec("bridge/Unity-v0")  # which says that a seed does not repeat an episode
    check_env(env, skip_render_check=True, skip_close_check=True)


def test_hybrid_actions_and_masks_for_each_branch() -> None:
    visits = tuple(Visit(step, 1.0) for step in range(99))
    behavior = Behavior(make_spec((3,), continuous=1, branches=(3, 2)), [Life(0, visits)], masked=True)
    env = UnitySingleEnv(ScriptedEnv({"One": behavior}))
    _, info = env.reset(seed=0)
    for index in range(20):
        action = env.action_space.sample(mask=(None, info["action_mask"]))
        _, reward, _, _, info = env.step(action)
        assert reward == 1
        assert behavior.actions[0, index][0] == action[0]
        assert (behavior.actions[0, index][1] == action[1]).all()


def test_several_agents_are_pointed_to_make_vec() -> None:
    with pytest.raises(
        UserError, match=r"2 agents live .* use gymnasium.make_vec\('bridge/Unity-v0', num_envs=...\)"
    ):
        UnitySingleEnv(make_env("CartPole-v1", 2, 0))
