"""Strangers at the trainer's port."""

import contextlib
import os
import socket
import struct
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import grpc
from mlagents_envs.base_env import BaseEnv

from bridge import wire
from bridge.unity_env import PlayerOptions, UnityEnv
from tests.faults.fault import Fault
from trainers import train
from trainers.training.followers import Silence

# isort: split
from messages import Message, hello, step
from processes import PLAYER, free_port, running
from speaker import MAX_STEPS, SETTINGS

Stranger = Callable[[int, contextlib.ExitStack], None]
"""Does its work at a port; what it leaves open is closed with the stack."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
HANDSHAKES = {
    "HTTP request": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "garbage": bytes(range(256)) * 256,
    "half a preface": PREFACE[:10],
    "preface only": PREFACE,
    "preface and settings": PREFACE + NO_SETTINGS,
    "preface and garbage": PREFACE + b"\xff" * 1000,
    "frame of 16 MiB, cut": PREFACE + NO_SETTINGS + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(100),
    "SSH banner": b"SSH-2.0-OpenSSH_9.6\r\n",
    "WebSocket": b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "nothing": b"",
}


class AtTenthStep(Silence):
    """A display that calls a function at the tenth step."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.ticks, self._call = 0, call

    def tick(self, *_: object) -> None:
        """Count."""
        self.ticks += 1
        if self.ticks == 10:
            self._call()


def faults(whole: bool) -> Iterable[Fault]:
    """Each stranger, before the player connects and in mid-run; or some of them in one run."""
    strangers: dict[str, Stranger] = {
        **{f"{name}, left open": partial(_send, data) for name, data in HANDSHAKES.items()},
        **{f"{name}, closed": partial(_send_and_close, data) for name, data in HANDSHAKES.items()},
        "reset": _reset, "byte by byte": _slowly, "300 connections": _flood, "100 closed at once": _close_at_once,
        "another service": partial(_call, "/other.Service/Method", b""),
        "junk message": partial(_call, wire.METHOD, b"\xff" * 100), "no message": partial(_call, wire.METHOD, b""),
        "message of 50 MB": partial(_call, wire.METHOD, b"\xff" * 50_000_000),
        "empty message": partial(_tell, wire.message()), "quits": partial(_tell, wire.message(wire.QUIT)),
        "agents": partial(_tell, step()), "unknown status": partial(_tell, wire.message(7)),
        "cancelled call": _cancel,
    }  # fmt: skip
    if not whole:
        names = ("TLS hello, left open", "garbage, closed", "300 connections", "quits", "agents")
        yield Fault("some of them", partial(_survive, [strangers[name] for name in names], True))
        return
    for name, stranger in strangers.items():
        yield Fault(name, partial(_survive, [stranger], True))
    yield Fault("a second player", partial(_survive, [partial(_tell, hello())], False))


def _survive(strangers: list[Stranger], before: bool, folder: Path) -> None:
    """Train to the end with strangers in mid-run, and also `before` the player connects."""
    port = free_port()
    options = {**SETTINGS, "checkpoint_settings": {"run_id": "run", "results_dir": str(folder)}}
    with contextlib.ExitStack() as stack:

        def visit() -> None:
            for stranger in strangers:
                stranger(port, stack)

        def connected(_: object) -> BaseEnv:
            env = UnityEnv(PlayerOptions(port=port, timeout=60), wait=False)
            if before:
                visit()
            stack.enter_context(running(PLAYER, "simple", "--mlagents-port", port))
            env.session.connect()
            return env

        display = AtTenthStep(visit)
        outcomes = train(connected, options, display=display)
        assert display.ticks >= 10
        assert outcomes["Simple"].steps >= MAX_STEPS


def _connection(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 20)


def _send(data: bytes, port: int, stack: contextlib.ExitStack) -> None:
    with contextlib.suppress(ConnectionError):
        stack.enter_context(_connection(port)).sendall(data)


def _send_and_close(data: bytes, port: int, stack: contextlib.ExitStack) -> None:
    with contextlib.suppress(ConnectionError), _connection(port) as connection:
        connection.sendall(data)


def _reset(port: int, stack: contextlib.ExitStack) -> None:
    with _connection(port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(PREFACE)


def _slowly(port: int, stack: contextlib.ExitStack) -> None:
    connection = stack.enter_context(_connection(port))
    with contextlib.suppress(ConnectionError):
        for byte in PREFACE + NO_SETTINGS[:4]:
            connection.sendall(bytes([byte]))


def _flood(port: int, stack: contextlib.ExitStack) -> None:
    for number in range(300):
        _send(os.urandom(10) if number % 2 else b"", port, stack)


def _close_at_once(port: int, stack: contextlib.ExitStack) -> None:
    for _ in range(100):
        _connection(port).close()


def _call(method: str, data: bytes, port: int, stack: contextlib.ExitStack) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}", (*wire.CHANNEL_OPTIONS, *OWN_CONNECTION)) as channel:
        try:
            channel.unary_unary(method)(data, timeout=30)
        except grpc.RpcError:
            return
    raise AssertionError("a stranger was answered")


def _tell(message: Message, port: int, stack: contextlib.ExitStack) -> None:
    _call(wire.METHOD, message.SerializeToString(), port, stack)


def _cancel(port: int, stack: contextlib.ExitStack) -> None:
    channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}", OWN_CONNECTION))
    channel.unary_unary(wire.METHOD).future(step().SerializeToString(), timeout=30).cancel()
