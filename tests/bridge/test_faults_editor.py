"""What becomes of a run when the Editor is paused, reconnects or crashes, with real processes."""

import logging
import os
import signal
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import yaml
from editors import editor
from messages import opening
from processes import PLAYER, free_port, running
from speaker import Speaker

from bridge import player_session, wire
from bridge.errors import PlayerLostError
from bridge.unity_env import PlayerOptions, UnityEnv
from trainers import load_policy, train
from trainers.training.environments import make_environment


def step_often(env: UnityEnv) -> None:
    env.reset()
    for _ in range(6):
        env.step()


class Unpause(logging.Handler):
    """Lets a player that stands still go on at the first hint that its answer is late."""

    def __init__(self, process: int) -> None:
        super().__init__()
        self.process = process

    def emit(self, record: logging.LogRecord) -> None:
        if "the Unity Editor has not answered for" in record.getMessage():
            os.kill(self.process, signal.SIGCONT)


def test_a_pause_may_last(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player_session, "HINT_SECONDS", 0.5)
    caplog.set_level(logging.INFO)
    port = free_port()
    with running("-m", "bridge.player", "--env", "CartPole-v1", "--mlagents-port", port) as player:
        env = UnityEnv(PlayerOptions(port=port))
        env.reset()
        unpause = Unpause(player.pid)
        player_session.logger.addHandler(unpause)
        os.kill(player.pid, signal.SIGSTOP)
        for _ in range(5):
            env.step()
        player_session.logger.removeHandler(unpause)
        assert len(env.get_steps("CartPole-v1?team=0")[0]) == 1
        env.close()
    assert "the Unity Editor has not answered for" in caplog.text


def test_a_connection_that_grpc_closed_in_a_pause_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with editor(PLAYER, "pause", timeout=None) as env:
        env.reset()
        for _ in range(8):
            env.step()
            assert len(env.get_steps("Simple")[0]) == 2
    assert caplog.text.count("the player is back, over a new connection") == 1


def test_another_port_than_the_editor_s_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    with Speaker(opening()) as env:
        port = env.session.communicator.port
    assert f"the Unity Editor connects to port 5004, not to {port}; leave base_port out" in caplog.text


def test_a_stranger_does_not_take_the_player_s_turn() -> None:
    port = free_port()
    message = wire.message()
    message.unity_output.rl_output.side_channel = b""
    with (
        running(PLAYER, "hang", "--mlagents-port", port) as player,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        env = UnityEnv(PlayerOptions(port=port, timeout=30))
        env.session.options = replace(env.session.options, timeout=2)
        with pytest.raises(PlayerLostError, match="has not answered within 2 s"):
            step_often(env)
        with pytest.raises(grpc.RpcError, match="did not introduce"):
            channel.unary_unary(wire.METHOD)(message.SerializeToString(), timeout=5)
        env.close()
        player.kill()


def test_a_crash_is_told_and_the_run_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing limits the wait for the Editor's answer."""
    monkeypatch.chdir(tmp_path)
    port = free_port()
    options = {
        "behaviors": {
            "Simple": {
                "trainer_type": "ppo",
                "hyperparameters": {"batch_size": 32, "buffer_size": 64},
                "network_settings": {"hidden_units": 8, "num_layers": 1},
                "checkpoint_interval": 100_000,
                "summary_freq": 100_000,
            }
        },
        "env_settings": {"base_port": port},
        "checkpoint_settings": {"run_id": "run"},
    }
    with (
        running(PLAYER, "kill", "--steps", 300, "--mlagents-port", port) as player,
        pytest.raises(PlayerLostError, match=rf"the Unity Editor, .* \(pid {player.pid}\), is gone"),
    ):
        train(make_environment, yaml.safe_dump(options))
    assert load_policy(Path("runs", "run")).step >= 500
