"""Episodes as an .mp4 or .gif file."""

import itertools
import math
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from mlagents_envs.base_env import ActionTuple, BaseEnv

from gym_adapters.commands import install_command
from gym_adapters.errors import UserError, closed_after, refusal_named
from gym_adapters.files import write_atomically
from gym_adapters.film import Film
from gym_adapters.filmed_agents import FilmedAgents
from gym_adapters.registered import PACKAGES
from gym_adapters.text import first_line

MOST_FPS = 50
"""Limit on pictures per second. Faster environments show every second, third, ... step, so the speed stays right."""

LEAST_HEIGHT = 400
"""In pixels. Lower pictures are enlarged by a whole factor."""

SUFFIXES = (".mp4", ".gif")

Played = TypeVar("Played")


@dataclass(frozen=True)
class Episode:
    """An episode that was played: its seed, its actions (each of shape (1, size)) and its return."""

    seed: int
    actions: Sequence[ActionTuple]
    episode_return: float


@dataclass(frozen=True)
class Look:
    """Size, length and picture rate of a video.

    Attributes:
        width: pixels; None takes the environment's own width, or a multiple of it if its pictures are small.
        seconds: how much of each episode is shown; None shows all of it.
        most_fps: limit on pictures per second; see `MOST_FPS`.
        colours: colours of a .gif, up to 256.
    """

    width: int | None = None
    seconds: float | None = None
    most_fps: float = MOST_FPS
    colours: int = 256


def check_video(path: Path, env_id: str, options: Mapping[str, Any]) -> None:
    """Check that a video can be made, before an episode is played for it.

    Raises:
        UserError: the file is of another type, a package is missing, or the environment draws no pictures.
    """
    _require_suffix(path)
    _ffmpeg()
    with closing(Film(env_id, options)) as film:
        film.look()


def write_video(
    path: Path,
    env_id: str,
    options: Mapping[str, Any],
    episodes: Sequence[Episode],
    look: Look | None = None,
) -> None:
    """Play episodes again, one after the other, and write their pictures; the file is written atomically.

    Args:
        path: ends in .mp4 or .gif.
        env_id: a Gymnasium id.
        options: keyword arguments of the environment.
        episodes: what to play.
        look: None takes the defaults.

    Raises:
        UserError: the environment draws no pictures, or an episode has another return than before.
    """
    look = look or Look()
    with _written(path, look) as writer:
        for episode in episodes:
            with closing(Film(env_id, options)) as film:
                every = math.ceil(film.fps / look.most_fps)
                fps = film.fps / every
                most = None if look.seconds is None else round(look.seconds * fps)
                for picture in film.play(episode.seed, episode.actions, every, most):
                    writer.add(picture, fps)
                _require_same(env_id, film, episode)


def film_agents(
    path: Path,
    env_id: str,
    options: Mapping[str, Any],
    seeds: Sequence[int],
    play: Callable[[BaseEnv], Played],
) -> list[Played]:
    """Play episodes of a PettingZoo environment, one after the other, and write their pictures as they are played.

    Args:
        path: ends in .mp4 or .gif; it is written atomically.
        env_id: `package/module_vN`.
        options: options of the environment.
        seeds: one for each episode.
        play: plays an episode in an environment.

    Returns:
        What `play` returned for each episode.

    Raises:
        UserError: the environment draws no pictures, or `play` raises it.
    """
    _require_suffix(path)
    _ffmpeg()
    found: list[Played] = []
    with _written(path, Look()) as writer:
        for seed in seeds:
            with closed_after(FilmedAgents(env_id, seed, options)) as env:
                env.show = _some(writer, env.fps)
                found.append(play(env))
    return found


def _some(writer: "_Writer", fps: float) -> Callable[[np.ndarray], None]:
    """Return a function that takes every picture and writes so many that there are at most `MOST_FPS` in a second."""
    every, shown = math.ceil(fps / MOST_FPS), itertools.count()

    def show(picture: np.ndarray) -> None:
        if next(shown) % every == 0:
            writer.add(picture, fps / every)

    return show


class _Writer:
    """Writes pictures of one size to a file, which the first of them begins.

    Args:
        path: ends in .mp4 (H.264) or .gif.
        look: width and colours.
    """

    def __init__(self, path: Path, look: Look) -> None:
        self.path, self._look = path, look
        self._frames: Any = None
        self._factor = 1

    def add(self, picture: np.ndarray, fps: float) -> None:
        """Write a picture, (height, width, 3) uint8. The first one's `fps` is that of all, in pictures per second."""
        if self._frames is None:
            self._begin(picture, fps)
        larger = picture.repeat(self._factor, axis=0).repeat(self._factor, axis=1)
        try:
            self._frames.send(np.ascontiguousarray(larger))
        except OSError as error:
            raise UserError(f"ffmpeg stopped with an error: {first_line(error)}") from error

    def close(self) -> None:
        """Finish the file."""
        if self._frames is not None:
            self._frames.close()

    def _begin(self, first: np.ndarray, fps: float) -> None:
        height, width = first.shape[:2]
        look, self._factor = self._look, math.ceil(LEAST_HEIGHT / height)
        size = (width * self._factor, height * self._factor)
        scale = f"scale={look.width}:-2:flags=area" if look.width else "pad=ceil(iw/2)*2:ceil(ih/2)*2"
        if self.path.suffix == ".gif":
            palette = f"split[a][b];[a]palettegen=max_colors={look.colours}[p];[b][p]paletteuse=dither=bayer"
            codec, pixels, output = "gif", "pal8", ["-filter_complex", f"{scale},{palette}", "-loop", "0"]
        else:
            codec, pixels = "libx264", "yuv420p"
            output = ["-vf", scale, "-crf", "26", "-preset", "slow", "-movflags", "+faststart"]
        self._frames = _ffmpeg().write_frames(
            str(self.path),
            size,
            pix_fmt_out=pixels,
            fps=fps,
            quality=None,
            codec=codec,
            macro_block_size=1,
            ffmpeg_log_level="error",
            output_params=output,
        )
        self._frames.send(None)


@contextmanager
def _written(path: Path, look: Look) -> Iterator[_Writer]:
    """Yield a writer, and at the end write its file to `path`, atomically.

    Raises:
        UserError: `path` cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        writer = _Writer(Path(folder, f"video{path.suffix}"), look)
        try:
            yield writer
        finally:
            writer.close()
        with refusal_named(path):
            write_atomically(path, lambda stream: stream.write(writer.path.read_bytes()))


def _require_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise UserError(f"--video {path}: expected a name that ends in {' or '.join(SUFFIXES)}")


def _require_same(env_id: str, film: Film, episode: Episode) -> None:
    if not film.ended or film.episode_return != episode.episode_return:
        raise UserError(
            f"{env_id}: does not repeat: the same seed and actions gave {episode.episode_return:.2f}, then "
            f"{film.episode_return:.2f}, so no video was written; seed all its random numbers in reset"
        )


def _ffmpeg() -> Any:
    """Import `imageio_ffmpeg`, which brings its own ffmpeg.

    Raises:
        UserError: the package is not installed, or has no ffmpeg for this machine.
    """
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except ImportError as error:
        packages = install_command("imageio-ffmpeg", PACKAGES["pygame"])
        raise UserError(f"--video needs a package; run: {packages}") from error
    except (RuntimeError, subprocess.SubprocessError) as error:
        raise UserError(f"--video needs ffmpeg, and imageio-ffmpeg found none: {error}") from error
    return imageio_ffmpeg
