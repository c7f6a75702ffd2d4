"""`python -m trainers.evaluate FILE.onnx --env PLAYER` plays an exported policy in a player."""

import json
from pathlib import Path

import pytest
from processes import free_port, write_player

from bridge.onnx_export import export_policy
from gym_adapters import make_env
from trainers.config import NetworkSettings
from trainers.config.network import MemorySettings
from trainers.networks.actor_critic import ActorCritic
from trainers.playback.evaluation import main

AGENTS, EPISODES = 3, 5


def test_a_file_with_memory_plays_in_a_player(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    env = make_env("CartPole-v1", 1)
    spec = env.behavior_specs["CartPole-v1"]
    env.close()
    network = NetworkSettings(hidden_units=8, memory=MemorySettings(memory_size=4))
    path = tmp_path / "Walker.onnx"
    export_policy(ActorCritic(spec, network).eval(), spec, path)
    player = write_player(tmp_path, "-m", "bridge.player", "--env", "CartPole-v1", "--agents", AGENTS)
    where = ["--env", str(player), "--base-port", str(free_port()), "--no-graphics"]
    assert main([str(path), *where, "--episodes", str(EPISODES), "--json"]) == 0
    returns = json.loads(capsys.readouterr().out)["returns"]
    assert len(returns) == EPISODES
    assert all(1.0 <= value <= 500.0 for value in returns)
