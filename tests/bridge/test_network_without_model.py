"""A network of another package that computes what no `.onnx` for Unity can hold: it trains, and is played."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bridge.onnx_export import main as export
from gym_adapters import make_env
from trainers import load_policy, train
from trainers.config import plugins

ENCODER = """
import torch
from torch import nn


class Bessel(nn.Module):
    def __init__(self, shape, units, settings):
        super().__init__()
        self.layer = nn.Linear(shape[0] * shape[1] * shape[2], units)

    def forward(self, images):
        return self.layer(torch.special.bessel_j0(images.flatten(1)))
"""

PICTURES = """
import gymnasium
import numpy as np
from gymnasium import spaces


class Pictures(gymnasium.Env):
    observation_space = spaces.Box(0, 255, (2, 8, 8), np.uint8)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 1.0, False, False, {}


gymnasium.register("Pictures-v0", "picture_env:Pictures", max_episode_steps=5)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with such an encoder, `bessel`, and an environment of pictures."""
    (tmp_path / "bessel_encoder.py").write_text(ENCODER)
    (tmp_path / "picture_env.py").write_text(PICTURES)
    described = tmp_path / "bessel-1.0.dist-info"
    described.mkdir()
    described.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: bessel\nVersion: 1.0\n")
    points = f"[{plugins.ENCODER}]\nbessel = bessel_encoder:Bessel\n"
    described.joinpath("entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    plugins.look_again()
    yield tmp_path
    plugins.look_again()


SETTINGS = """
behaviors:
  Pictures-v0:
    trainer_type: ppo
    hyperparameters: {batch_size: 8, buffer_size: 16}
    network_settings: {vis_encode_type: bessel, hidden_units: 4, num_layers: 1}
    max_steps: 60
    checkpoint_interval: 20
checkpoint_settings: {run_id: odd}
"""


def test_such_a_network_trains_and_only_its_model_is_missing(package, capfd):
    outcomes = train(make_env("picture_env:Pictures-v0", num_envs=2, seed=0), textwrap.dedent(SETTINGS))
    said = capfd.readouterr().out
    assert outcomes["Pictures-v0"].steps == 60
    assert said.count("behavior Pictures-v0: its network has no .onnx: ") == 1
    assert "bessel_j0" in said
    assert "graph(" not in said
    assert not list(package.rglob("*.onnx"))
    assert load_policy("runs/odd").predict(np.zeros((2, 8, 8), np.uint8)) in (0, 1)

    assert export(["runs/odd"]) == 2
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: behavior Pictures-v0: its network has no .onnx: ")
    assert told.err.count("\n") == 1
