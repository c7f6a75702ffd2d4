"""Each fault by a real process, and what the user is told."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from editors import editor
from mlagents_envs.exception import UnityCommunicatorStoppedException
from processes import PATIENCE, PLAYER, ROOT, free_port, running, write_player

from bridge import wire
from bridge.communicator import Communicator
from bridge.errors import PlayerLostError, PlayerStoppedError, PortInUseError
from bridge.player_connection import PlayerConnection, TrainerLeft
from bridge.unity_env import PlayerOptions, UnityEnv
from gym_adapters import UserError


@pytest.fixture
def port() -> int:
    return free_port()


def drive(env: UnityEnv) -> None:
    """Steps until something goes wrong."""
    env.reset()
    for _ in range(20):
        env.step()


def run_editor(script: str) -> None:
    """Train with the script as the Editor until something goes wrong."""
    with editor(PLAYER, script) as env:
        drive(env)


def run_player(
    script: str, folder: Path, port: int, timeout: float = 30.0, answer_within: float | None = 10.0
) -> UnityEnv:
    """The same with the script as an executable; gives the environment, which is closed."""
    path = write_player(folder, PLAYER, script)
    env = UnityEnv(PlayerOptions(path, port, 0, timeout, log_folder=folder), wait=False)
    try:
        env.session.connect()
        env.session.options = replace(env.session.options, timeout=answer_within)
        drive(env)
    finally:
        env.close(patience=0)
    return env


def test_player_that_exits_at_start(tmp_path: Path, port: int) -> None:
    with pytest.raises(
        PlayerLostError, match=r"(?s)player Player.x86_64 exited with code 3; .*Player-0.log.*no lic"
    ):
        run_player("early", tmp_path, port)


def test_player_that_exits_in_mid_run(tmp_path: Path, port: int) -> None:
    with pytest.raises(PlayerLostError, match=r"(?s)exited with code 7; the end of .*about to exit"):
        run_player("exit", tmp_path, port)


def test_player_that_is_killed(tmp_path: Path, port: int) -> None:
    """Nothing limits the wait for its answer."""
    with pytest.raises(PlayerLostError, match=r"exited with code -9 \(SIGKILL\)"):
        run_player("kill", tmp_path, port, answer_within=None)


def test_player_that_hangs(tmp_path: Path, port: int) -> None:
    with pytest.raises(
        PlayerLostError, match=r"(?s)has not answered within 1.5 s; it may hang.*about to hang"
    ):
        run_player("hang", tmp_path, port, answer_within=1.5)


def test_player_that_never_connects(tmp_path: Path, port: int) -> None:
    with pytest.raises(
        PlayerLostError, match=r"did not connect within 0\.5 s; check .*Behavior Type is Default"
    ):
        run_player("silent", tmp_path, port, timeout=0.5)


def test_player_that_may_not_be_executed(tmp_path: Path, port: int) -> None:
    path = write_player(tmp_path, PLAYER, "silent")
    path.chmod(0o644)
    with pytest.raises(UserError, match=rf"cannot be started \(Permission denied\); run: chmod \+x {path}"):
        UnityEnv(PlayerOptions(path, port))
    for name, words in (
        ("maze.py", "named by module and id, such as maze:"),
        ("maze_v0.py", f"named by folder and module: {tmp_path.name}/maze_v0"),
    ):
        module = path.with_name(name)
        module.touch(0o644)
        with pytest.raises(UserError, match=rf"{name}: cannot be started .*{words}"):
            UnityEnv(PlayerOptions(module, port))


def test_other_api_version() -> None:
    with pytest.raises(
        UserError, match=r"Editor speaks communicator API 2.0.0 \(package 4.0.1\), this trainer 1.5.0"
    ):
        run_editor("version")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("nan", r"Simple, agent 99: observation 0 \(vector\) is nan at index 1"),
        ("infinite", "Simple, agent 99: reward is inf"),
    ],
)
def test_what_the_player_must_not_send(script: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        run_editor(script)


def test_stop_in_the_editor_ends_the_run_in_order() -> None:
    with pytest.raises(PlayerStoppedError, match="the Unity Editor stopped playing") as raised:
        run_editor("stop")
    assert isinstance(raised.value, UnityCommunicatorStoppedException)


def test_editor_that_crashes() -> None:
    with pytest.raises(PlayerLostError, match=r"the Unity Editor(, .* is gone| broke the connection)"):
        run_editor("kill")


def test_taken_port_names_the_process(port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(PortInUseError, match=rf"port {port} is taken by .*\(pid {os.getpid()}\)"):
            UnityEnv(PlayerOptions(port=port))


def test_a_player_numbered_beyond_the_last_port_gets_a_free_one(tmp_path: Path) -> None:
    env = UnityEnv(PlayerOptions(write_player(tmp_path, PLAYER, "silent"), 65535, worker_id=1), wait=False)
    try:
        assert 0 < env.session.communicator.port < 65536
    finally:
        env.close(patience=0)


def test_the_run_survives_strangers(caplog: pytest.LogCaptureFixture) -> None:
    with editor("-m", "bridge.player", "--env", "CartPole-v1") as env:
        port = env.session.communicator.port
        env.reset()
        with socket.create_connection(("127.0.0.1", port), 5) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(256)) * 20)
            env.step()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            for junk in (b"\xff\xff\xff", b"", wire.message().SerializeToString()):
                with pytest.raises(grpc.RpcError):
                    channel.unary_unary(wire.METHOD)(junk, timeout=5)
            with pytest.raises(grpc.RpcError):
                channel.unary_unary("/other.Service/Method")(b"", timeout=5)
        second = PlayerConnection(port, 5)
        with pytest.raises(TrainerLeft, match="another player is connected already"):
            second.connect()
        second.close()
        for _ in range(5):
            env.step()
            assert len(env.get_steps("CartPole-v1?team=0")[0]) == 1
    assert caplog.text.count("refused") >= 4


def test_strangers_before_the_player_do_not_take_its_place(port: int) -> None:
    env = UnityEnv(PlayerOptions(port=port, timeout=20), wait=False)
    with (
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
        pytest.raises(grpc.RpcError, match="introduce"),
    ):
        channel.unary_unary(wire.METHOD)(wire.message().SerializeToString(), timeout=5)
    with running("-m", "bridge.player", "--env", "CartPole-v1", "--mlagents-port", port):
        env.session.connect()
        env.reset()
        assert len(env.get_steps("CartPole-v1?team=0")[0]) == 1
        env.close()


def test_waiting_for_play_hints_for_ever_and_ends_with_ctrl_c(port: int) -> None:
    code = (
        "import logging; logging.basicConfig(level=logging.INFO)\n"
        "from bridge import player_session as p; p.HINT_SECONDS = 0.2\n"
        "from bridge.unity_env import UnityEnv\n"
        f"UnityEnv(p.PlayerOptions(port={port}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert "Press Play" in process.stdout.readline()
    assert "the Unity Editor connects to port 5004" in process.stderr.readline()
    for _ in range(2):
        hint = process.stderr.readline()
        assert "did not connect for" in hint
        assert "Behavior Type is Default" in hint
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" in errors


def test_wider_listening_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    communicator = Communicator(0, "0.0.0.0")
    communicator.close()
    assert "listening on 0.0.0.0: every machine that reaches it" in caplog.text


@pytest.mark.parametrize(
    ("ending", "status", "told"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("raise RuntimeError('a bug of the caller')", 1, "a bug of the caller"),
    ],
)
def test_a_trainer_that_is_killed_or_fails_ends_and_so_does_its_player(
    ending: str, status: int, told: str, port: int
) -> None:
    code = (
        "from bridge.unity_env import PlayerOptions, UnityEnv\n"
        f"env = UnityEnv(PlayerOptions(port={port}, timeout=20))\n"
        f"env.reset()\n{ending}\n"
    )
    with (
        running("-c", code) as trainer,
        running("-m", "bridge.player", "--env", "CartPole-v1", "--mlagents-port", port) as player,
    ):
        assert told in trainer.communicate(timeout=PATIENCE)[0]
        assert (trainer.returncode, player.wait(PATIENCE)) == (status, 0)
