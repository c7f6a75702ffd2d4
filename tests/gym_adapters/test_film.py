"""An episode is repeated exactly, with its pictures."""

import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from mlagents_envs.base_env import ActionTuple

from gym_adapters import UserError, make_env
from gym_adapters.film import Film
from tests.needs import EGL, LINUX, PYGAME

ENVIRONMENTS = [
    pytest.param("CartPole-v1", (400, 600, 3), 50, marks=PYGAME),
    pytest.param("Walker2d-v5", (480, 480, 3), 125, marks=EGL),
    ("ALE/Assault-v5", (210, 160, 3), 15),
]


def random_episodes(
    env_id: str, num_envs: int, seed: int
) -> tuple[list[list[ActionTuple]], list[float], list]:
    """The first episode of each environment: actions, return, and the observations acted on."""
    env = make_env(env_id, num_envs, seed)
    env.reset()
    name, spec = next((name, spec.action_spec) for name, spec in env.behavior_specs.items())
    rng = np.random.default_rng(seed)
    actions: list[list[ActionTuple]] = [[] for _ in range(num_envs)]
    seen: list[list[np.ndarray]] = [[] for _ in range(num_envs)]
    returns, running = [0.0] * num_envs, set(range(num_envs))
    decision, _ = env.get_steps(name)
    while running:
        continuous = rng.uniform(-0.5, 0.5, (num_envs, spec.continuous_size)).astype(np.float32)
        discrete = rng.integers(0, spec.discrete_branches or 1, (num_envs, spec.discrete_size)).astype(
            np.int32
        )
        for i in running:
            actions[i].append(ActionTuple(continuous[i : i + 1], discrete[i : i + 1]))
            seen[i].append(decision.obs[0][i])
        env.set_actions(name, ActionTuple(continuous, discrete))
        env.step()
        decision, terminal = env.get_steps(name)
        for i, reward in zip(terminal.agent_id.tolist(), terminal.reward.tolist(), strict=True):
            if i in running:
                returns[i] += reward
                running.remove(i)
        for i, reward in zip(decision.agent_id.tolist(), decision.reward.tolist(), strict=True):
            if i in running:
                returns[i] += reward
    env.close()
    return actions, returns, seen


@pytest.mark.parametrize(("env_id", "shape", "fps"), ENVIRONMENTS)
def test_episodes_of_a_batch_are_repeated_to_the_last_bit(env_id, shape, fps):
    episodes, returns, _ = random_episodes(env_id, 3, 40)
    for i in (0, 2):
        film = Film(env_id)
        pictures = list(film.play(40 + i, episodes[i], every=3))
        assert film.fps == fps
        assert film.ended
        assert film.episode_return == returns[i]
        assert len(pictures) == len(episodes[i]) // 3 + 1
        assert {(picture.shape, picture.dtype) for picture in pictures} == {(shape, np.dtype(np.uint8))}
        assert (pictures[0] != pictures[-1]).any(), "something moves"
        assert len(list(film.play(40 + i, episodes[i], most=2))) == 2
        film.close()


def test_atari_shows_in_colour_what_the_policy_saw():
    (actions,), _, (seen,) = random_episodes("ALE/Assault-v5", 1, 7)
    film = Film("ALE/Assault-v5")
    pictures = list(film.play(7, actions))
    film.close()
    assert np.ptp(pictures[50], axis=2).max() > 50, "colours"
    for step in (50, 120, 200):
        grey = pictures[step] @ [0.299, 0.587, 0.114]
        small = grey[: 210 // 5 * 5].reshape(42, 5, 32, 5).mean((1, 3))
        newest = seen[step][-1].astype(float).reshape(42, 2, 84)[:, :, :80].mean(1)
        rows = np.corrcoef(small.mean(1), newest.mean(1))[0, 1]
        assert rows > 0.97


@PYGAME
def test_another_episode_is_noticed():
    (actions,), _, _ = random_episodes("CartPole-v1", 1, 3)
    film = Film("CartPole-v1")
    for wrong in (actions[:-1], [*actions, actions[-1]]):
        list(film.play(3, wrong))
        assert not film.ended
    film.close()


class Dark(gymnasium.Env):
    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)


class Unlit(Dark):
    def __init__(self):
        """Takes no render_mode."""


@pytest.mark.parametrize("made", [Dark, Unlit])
def test_an_environment_that_draws_nothing_is_told_what_it_lacks_in_one_line(made, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "egl")
    gymnasium.register("Dark-v0", made, disable_env_checker=True)
    try:
        with pytest.raises(
            UserError, match=r"Dark-v0: draws no pictures: .*__init__ must take render_mode=None"
        ) as refused:
            Film("Dark-v0")
    finally:
        del gymnasium.registry["Dark-v0"]
    assert "\n" not in str(refused.value)


@LINUX
@pytest.mark.parametrize("own", [None, "nonsense"])
def test_without_egl_or_with_a_value_of_ones_own(tmp_path, own):
    (tmp_path / "libEGL.so.1").touch()  # found before the real one, and no library
    (tmp_path / "libEGL.so").touch()
    surroundings = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL")
    }
    surroundings |= {"LD_LIBRARY_PATH": str(tmp_path)} if own is None else {"MUJOCO_GL": own}
    code = "from gym_adapters.film import Film\ntry: Film('Walker2d-v5').look()\nexcept Exception as e: print(repr(e))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**surroundings, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith("UserError(")
    assert ("apt-get install libegl1" if own is None else "MUJOCO_GL: nonsense") in line
