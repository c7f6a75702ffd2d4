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


@pytest.mark.parametrize(
    ("option", "name", "expected"),
    [
        ("roles=true", "black", [4.0] * EPISODES),
        ("teams=true", "turns_v0", [2.0] * EPISODES + [4.0] * EPISODES),
    ],
)
def test_agents_that_ask_after_the_reset_are_played(
    tmp_path: Path, capsys: pytest.CaptureFixture, option: str, name: str, expected: list[float]
) -> None:
    """The second player of a game of turns, which has a behavior or a team of its own: EPISODES of each team."""
    env = make_env("tests.bridge.bridge_games/turns_v0", 1)
    spec = env.behavior_specs["turns_v0"]
    env.close()
    path = tmp_path / f"{name}.onnx"
    export_policy(ActorCritic(spec, NetworkSettings(hidden_units=8)).eval(), spec, path)
    options = ["--option", option, "--option", "rounds=4"]
    game = ["-m", "bridge.player", "--env", "bridge_games/turns_v0", "--agents", AGENTS]
    where = ["--env", str(write_player(tmp_path, *game, *options)), "--base-port", str(free_port())]
    assert main([str(path), *where, "--no-graphics", "--episodes", str(EPISODES), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["returns"] == expected
