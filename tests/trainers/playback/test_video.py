"""Videos of trained policies, read back by a decoder, and the policies kept to be watched."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from gymnasium.envs.classic_control import CartPoleEnv

from bridge.onnx_check import check_file
from gym_adapters.commands import install_command
from gym_adapters.errors import UserError
from tests.needs import EGL, VIDEO
from trainers import load_policy, train
from trainers.config.loader import CONFIGURATION
from trainers.playback.evaluation import main as evaluate_main
from trainers.playback.gallery import main as gallery_main
from trainers.playback.keep import MOST_BYTES, keep
from trainers.playback.video import Episode, Look, write_video
from trainers.training.environments import make_environment

REPOSITORY = Path(__file__).parents[3]


def trained(env_id: str, folder: Path, shared_critic: bool = False, **network: object) -> Path:
    """A run that has learned next to nothing; its episodes are short."""
    behavior = {
        "trainer_type": "ppo",
        "max_steps": 64,
        "hyperparameters": {"batch_size": 32, "buffer_size": 64, "shared_critic": shared_critic},
        "network_settings": {"hidden_units": 16, "num_layers": 1, **network},
    }
    name = env_id.rpartition("/")[2]
    settings = {
        "behaviors": {name: behavior},
        "env_settings": {"env_path": env_id, "num_envs": 2, "seed": 5},
        "checkpoint_settings": {"results_dir": str(folder), "run_id": name},
        "torch_settings": {"device": "cpu", "num_threads": 1, "precision": "float32"},
    }
    train(make_environment, settings)
    return folder / name


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory) -> Path:
    return trained("CartPole-v1", tmp_path_factory.mktemp("cartpole"))


@pytest.fixture(scope="module")
def assault(tmp_path_factory) -> Path:
    network = {"hidden_units": 512, "vis_encode_type": "nature_cnn"}
    return trained("ALE/Assault-v5", tmp_path_factory.mktemp("assault"), shared_critic=True, **network)


def returns(*arguments: object) -> list[float]:
    """What a process of its own prints: warnings are errors, and nothing but JSON comes out."""
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-m", "trainers.evaluate"]
    done = subprocess.run(
        [*command, *map(str, arguments), "--json"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)["returns"]


def returns_here(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[float]:
    """What the command prints in this process."""
    capsys.readouterr()
    assert evaluate_main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["returns"]


def decoded(path: Path) -> tuple[np.ndarray, float]:
    """Every picture of a video, and its pictures per second."""
    import imageio_ffmpeg

    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path)]
    about = subprocess.run(ffmpeg, capture_output=True, text=True, check=False).stderr
    width, height = map(int, re.search(r"Video:.* (\d+)x(\d+)", about).groups())
    fps = float(re.search(r"([\d.]+) fps", about).group(1))
    raw = [*ffmpeg, "-v", "error", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    content = subprocess.run(raw, capture_output=True, check=True).stdout
    return np.frombuffer(content, np.uint8).reshape(-1, height, width, 3), fps


@VIDEO
def test_cartpole_video_has_every_step_and_the_returns_are_the_same(cartpole, tmp_path, capsys):
    options = (cartpole, "--episodes", 3, "--seed", 11)
    film = tmp_path / "new folder" / "film.mp4"
    found = returns(*options, "--video", film)
    assert found == returns_here(capsys, *options)
    frames, fps = decoded(film)
    assert fps == 50
    assert frames.shape == (sum(found) + 3, 400, 600, 3), "a picture of each start, and one after each step"
    assert list(film.parent.iterdir()) == [film]


@VIDEO
@EGL
def test_mujoco_video_without_a_display(tmp_path, capsys):
    run = trained("Walker2d-v5", tmp_path)
    film = tmp_path / "film.mp4"
    found = returns(run, "--seed", 3, "--video", film)
    assert found == returns_here(capsys, run, "--seed", 3, "--episodes", 1), (
        "one episode, unless told otherwise"
    )
    frames, fps = decoded(film)
    assert fps == pytest.approx(125 / 3, abs=0.01), "real time, with every third step"
    assert frames.shape[1:] == (480, 480, 3)
    assert len(frames) >= 3
    purple = (frames[..., 0].astype(int) - frames[..., 1] > 40) & (
        frames[..., 2].astype(int) - frames[..., 1] > 40
    )
    assert purple.any(axis=(1, 2)).all(), "the second leg is in every picture"


@VIDEO
def test_atari_video_is_large_and_in_colour(assault, tmp_path, capsys):
    film = tmp_path / "film.mp4"
    found = returns_here(capsys, assault, "--seed", 4, "--video", film)
    assert found == returns_here(capsys, assault, "--seed", 4, "--episodes", 1)
    frames, fps = decoded(film)
    assert fps == 15
    assert frames.shape[1:] == (420, 320, 3)
    assert np.ptp(frames[50].astype(int), axis=2).max() > 50


@VIDEO
def test_gif_keeps_time(cartpole, tmp_path, capsys):
    film = tmp_path / "film.gif"
    assert evaluate_main([str(cartpole), "--video", str(film), "--seed", "2", "--json"]) == 0
    (length,) = json.loads(capsys.readouterr().out)["returns"]
    frames, fps = decoded(film)
    assert len(frames) / fps == pytest.approx((length + 1) / 50, abs=0.05)


@VIDEO
def test_an_episode_that_comes_out_otherwise_gives_no_video(tmp_path):
    from mlagents_envs.base_env import ActionTuple

    none = np.zeros((1, 0), np.float32)
    actions = [ActionTuple(none, np.ones((1, 1), np.int32))] * 60
    film = tmp_path / "film.mp4"
    with pytest.raises(UserError, match="CartPole-v1: does not repeat"):
        write_video(film, "CartPole-v1", None, [Episode(3, actions, 60.0)], Look(width=100, seconds=0.2))
    assert not film.exists()


@VIDEO
def test_bad_names_and_places_are_told_before_anything_is_played(cartpole, tmp_path, capfd):
    (tmp_path / "file").touch()
    for name, told in (("film.webm", ".mp4 or .gif"), ("file/film.mp4", "file/film.mp4")):
        assert evaluate_main([str(cartpole), "--video", str(tmp_path / name)]) == 2
        captured = capfd.readouterr()
        assert told in captured.err
        assert captured.err.startswith("error: ")
        assert captured.out == ""


def test_a_missing_package_is_named(cartpole, tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert evaluate_main([str(cartpole), "--video", str(tmp_path / "film.mp4")]) == 2
    assert install_command("imageio-ffmpeg", "pygame-ce") in capfd.readouterr().err


@pytest.mark.parametrize(("units", "bits"), [(64, 32), (512, 16), (768, 8)])
def test_large_networks_are_kept_in_fewer_bits(tmp_path, units, bits):
    run = trained("CartPole-v1", tmp_path / "runs", hidden_units=units, num_layers=2)
    (line,) = (line for line in keep(run, policies=tmp_path) if ".pt " in line)
    assert f"{bits} bits" in line
    weights = tmp_path / "CartPole-v1" / "CartPole-v1" / "checkpoint.pt"
    assert weights.stat().st_size <= MOST_BYTES
    torch.load(weights, weights_only=True)
    was, now = load_policy(run).policy.state_dict(), load_policy(tmp_path / "CartPole-v1").policy.state_dict()
    for name, tensor in was.items():
        largest = tensor.abs().amax(-1, keepdim=True) if tensor.dim() > 1 else torch.zeros(1)
        allowed = {32: 0.0, 16: 2.0**-11, 8: 0.502 / 127}[bits] * largest + 1e-7 * (bits < 32)
        assert ((now[name] - tensor).abs() <= allowed).all(), name


def test_atari_policy_with_a_shared_critic_fits(assault, tmp_path):
    lines = keep(assault, policies=tmp_path)
    assert (tmp_path / "Assault-v5" / "Assault-v5" / "checkpoint.pt").stat().st_size <= MOST_BYTES
    model = tmp_path / "Assault-v5" / "Assault-v5.onnx"
    assert "8 bits to a weight (in 32 bits" in lines[-1]
    assert model.stat().st_size <= MOST_BYTES
    assert not check_file(model).refused
    seen = np.random.default_rng(0).integers(0, 256, (64, 4, 84, 84), np.uint8)
    chosen = load_policy(tmp_path / "Assault-v5").act(seen).discrete
    session = onnxruntime.InferenceSession(str(model))
    inputs = {"obs_0": seen.astype(np.float32) / 255.0, "action_masks": np.ones((64, 7), np.float32)}
    names = ["deterministic_discrete_actions", "discrete_action_output_shape"]
    found, shape = session.run(names, inputs)
    assert (found == chosen).mean() > 0.98, "the same rounding; ties may fall otherwise"
    assert shape.tolist() == [[7.0]]


KEPT = sorted((REPOSITORY / "docs" / "policies").glob("*/"))


@pytest.mark.parametrize("folder", KEPT, ids=[folder.name for folder in KEPT])
def test_the_policies_in_docs_can_be_shown_at_once(folder, tmp_path, capsys):
    copy = shutil.copytree(folder, tmp_path / folder.name)
    if "Assault" in folder.name:  # whose games are long
        written = (copy / CONFIGURATION).read_text()
        short = written.replace("env_options:\n", "env_options:\n    max_num_frames_per_episode: 400\n")
        (copy / CONFIGURATION).write_text(short)
    assert evaluate_main([str(copy), "--episodes", "1", "--json"]) == 0
    assert np.isfinite(json.loads(capsys.readouterr().out)["returns"]).all()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert all(path.stat().st_size <= MOST_BYTES for path in files)
    settings = yaml.safe_load((folder / CONFIGURATION).read_text())
    assert settings["checkpoint_settings"]["results_dir"] == "runs"


@VIDEO
def test_gallery_films_runs_and_leaves_out_what_is_missing(cartpole, tmp_path, capsys):
    out = tmp_path / "gallery"
    assert gallery_main([str(cartpole), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["CartPole-v1.gif", "CartPole-v1.mp4"]
    assert decoded(out / "CartPole-v1.mp4")[0].shape[1:] == (266, 400, 3)
    assert decoded(out / "CartPole-v1.gif")[0].shape[1:] == (266, 400, 3)
    capsys.readouterr()
    shutil.rmtree(out)
    assert gallery_main(["--out", str(out)]) == 0, "no kept policies in this folder"
    assert capsys.readouterr().out.count("left out, no policy is kept in") == 3
    assert gallery_main([str(tmp_path / "nowhere"), "--out", str(out)]) == 2


@VIDEO
def test_an_environment_that_fails_ends_the_gallery_in_one_line(cartpole, tmp_path, monkeypatch, capfd):
    def step(env, action):
        raise RuntimeError("the pole is broken")

    monkeypatch.setattr(CartPoleEnv, "step", step)
    assert gallery_main([str(cartpole), "--out", str(tmp_path)]) == 2
    (error,) = capfd.readouterr().err.splitlines()
    assert error.startswith("error: the environment raised RuntimeError: the pole is broken")
