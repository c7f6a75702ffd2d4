"""Replays an episode to render its pictures."""

import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv
from mlagents_envs.base_env import ActionTuple

from gym_adapters.action_spaces import ActionMapping
from gym_adapters.errors import UserError, raised
from gym_adapters.make import make_checked
from gym_adapters.registered import find_spec, install_hint

ATARI_PICTURE = {
    "grayscale": False,
    "stack_num": 1,
    "img_height": 210,
    "img_width": 160,
    "autoreset_mode": AutoresetMode.NEXT_STEP,  # the last picture then shows the end of the episode
}
"""Options that show the emulator's whole screen instead of the policy's observation. The game stays the same."""

DEFAULT_FPS = 30

WALKERS = ("ant", "half_cheetah", "hopper", "humanoid", "swimmer", "walker2d")
"""Gymnasium's MuJoCo tasks whose body moves away from its start."""


class Film:
    """Replays episodes in one environment and renders them.

    The same id, options, seed and actions give the same episode. So a policy can first act in many environments at
    once, on the observations it was trained with, and any of these episodes can be rendered afterwards.
    Without a display, MuJoCo renders through EGL on Linux, unless the variable MUJOCO_GL is set.

    Args:
        env_id: as for `make_env`.
        options: as for `make_env`.

    Raises:
        UserError: the environment is unknown, or cannot be rendered.

    Attributes:
        fps: agent steps per second of simulated time.
        episode_return: sum of the rewards of the last episode that was replayed to its end.
        ended: whether that episode ended with its last action and not before.
    """

    def __init__(self, env_id: str, options: Mapping[str, Any] | None = None) -> None:
        render_without_display()
        self.env_id = env_id
        spec = find_spec(env_id)
        self._is_atari = spec.namespace == "ALE"
        self._env, metadata = self._make(spec, dict(options or {}))
        self.fps = float(metadata.get("render_fps") or DEFAULT_FPS)
        self._actions = ActionMapping(self._env.single_action_space)
        self.episode_return, self.ended = 0.0, False

    def play(
        self, seed: int, actions: Sequence[ActionTuple], every: int = 1, most: int | None = None
    ) -> Iterator[np.ndarray]:
        """Replays an episode to its end.

        Args:
            seed: the seed of the episode's reset.
            actions: one per step, each of shape (1, size).
            every: steps from one picture to the next; the first picture shows the start.
            most: maximum number of pictures; the rest of the episode is played without pictures.

        Yields:
            uint8, (height, width, 3).
        """
        self.episode_return, self.ended = 0.0, False
        observation, _ = self._env.reset(seed=seed)
        shown, ended = 0, False
        for step, action in enumerate([None, *actions]):
            if action is not None:
                observation, rewards, terminated, truncated, _ = self._env.step(self._actions.convert(action))
                self.episode_return += float(np.float32(rewards[0]))
                ended = bool(terminated[0] or truncated[0])
            if step % every == 0 and (most is None or shown < most):
                yield self._picture(observation)
                shown += 1
            if ended:
                break
        self.ended = ended and step == len(actions)

    def look(self) -> np.ndarray:
        """Returns a picture of the start of an episode, which tests whether rendering works."""
        observation, _ = self._env.reset(seed=0)
        return self._picture(observation)

    def close(self) -> None:
        """Closes the environment and its renderer."""
        self._env.close()

    def _make(self, spec: EnvSpec, options: dict[str, Any]) -> tuple[VectorEnv, Mapping[str, Any]]:
        if self._is_atari:
            from gym_adapters.atari import make_atari

            fps = 60 / options.get("frameskip", 4)
            return make_atari(spec, 1, {**options, **ATARI_PICTURE}), {"render_fps": fps}
        with self._failing_clearly(), _warnings_to_log(spec):
            options = {**_following_camera(spec, options), **options, "render_mode": "rgb_array"}
            vector_env = make_checked(spec, 1, AutoresetMode.DISABLED, options)
        metadata = vector_env.envs[0].metadata  # type: ignore[attr-defined]
        if "rgb_array" not in metadata.get("render_modes", ()):
            vector_env.close()
            raise UserError(f"{self.env_id}: draws no pictures: it has no render mode rgb_array")
        return vector_env, metadata

    def _picture(self, observation: np.ndarray) -> np.ndarray:
        if self._is_atari:
            return np.array(observation[0, -1])
        with self._failing_clearly():
            frames = self._env.render()
        frame = frames[0] if frames else frames
        if not isinstance(frame, np.ndarray):
            raise UserError(f"{self.env_id}: draws no pictures: render() gave {type(frame).__name__}")
        return np.asarray(frame, dtype=np.uint8)

    @contextmanager
    def _failing_clearly(self) -> Iterator[None]:
        """Turns any error of a renderer into one line. Warnings are ignored, because `make_env` reports them."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except gymnasium.error.DependencyNotInstalled as error:
            raise UserError(f"{self.env_id}: pictures need a package; {install_hint(error)}") from error
        except Exception as error:
            raise UserError(f"{self.env_id}: draws no pictures: {raised(error)}{_remedy(error)}") from error


def render_without_display() -> None:
    """Chooses EGL where there is no display, and silences pygame's greeting. Call it before importing a renderer."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("MUJOCO_GL", "egl")
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def _is_mujoco(spec: EnvSpec) -> bool:
    return str(spec.entry_point).startswith("gymnasium.envs.mujoco.")


def _following_camera(spec: EnvSpec, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the option for the camera that follows the body, unless the options choose a camera.

    Gymnasium's default camera stays at the start.
    """
    module = str(spec.entry_point).partition(":")[0].rpartition(".")[2]
    if not _is_mujoco(spec) or not module.startswith(WALKERS) or any("camera" in name for name in options):
        return {}
    return {"camera_name": "track"}


def _warnings_to_log(spec: EnvSpec) -> AbstractContextManager[None]:
    if not _is_mujoco(spec):
        return nullcontext()
    from gym_adapters import mujoco

    return mujoco.warnings_to_log()


def _remedy(error: Exception) -> str:
    """Return what to do about an environment that draws nothing; empty if that is unclear."""
    if isinstance(error, TypeError) and "'render_mode'" in str(error):
        return "; its __init__ must take render_mode=None, and render() give a picture for rgb_array"
    renders = "mujoco" in sys.modules or "egl" in raised(error).lower()  # its import fails without EGL
    if os.environ.get("MUJOCO_GL") != "egl" or not renders:
        return ""
    return "; rendering without a display needs EGL, on Debian and Ubuntu: apt-get install libegl1 libgl1"
