"""The gRPC server that a player connects to.

A player calls with its observations, and the call stays open until the trainer answers it with actions. `receive` takes
the player's next call and `send` answers it. One thread, that of the event loop, serves the calls of all players,
because switching between threads costs more than serving a call. The first player that introduces itself is served.
Other clients are refused and do not disturb it.

gRPC closes a connection that was idle for half an hour, for example while the Editor is paused, and opens a new one
when the player continues. So once the player's connection is gone, the next connection counts as the player's.
"""

import asyncio
import contextlib
import ipaddress
import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from bridge import event_loop, wire
from bridge.errors import PortInUseError
from bridge.ports import Process, client_process, is_connected, is_free, port_owner

logger = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.25
SERVER_OPTIONS = (*wire.CHANNEL_OPTIONS, ("grpc.so_reuseport", 0))


@dataclass
class _Call:
    """A call of the player.

    Attributes:
        message: The player's message; None once its connection broke, or if it sent what it must not.
        answer: Receives the serialised answer; None if nobody waits for one.
        fault: What the player sent that it must not.
    """

    message: Any
    answer: "asyncio.Future[bytes] | None" = None
    fault: str = ""


class Communicator:
    """Listens on one port for one player.

    Args:
        port: The port; 0 means any free port.
        listen: The address to listen on. Only this machine can reach `LOOPBACK`.

    Attributes:
        port: The port that it listens on.
        on_arrival: Called in the event loop's thread whenever `receive` has something to return. It may be replaced.

    Raises:
        PortInUseError: Another process listens on the port.
    """

    def __init__(self, port: int, listen: str) -> None:
        self._calls: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._open: _Call | None = None
        self._player: str | None = None
        self._player_waits = False
        self._closing = False
        self.on_arrival: Callable[[], None] = lambda: None
        host = ipaddress.ip_address(listen)
        if not host.is_loopback:
            logger.warning(
                "listening on %s: every machine that reaches it can take the player's place", listen
            )
        self.port = port
        self.port = event_loop.run(self._start(port, host)) if is_free(port, listen) else 0
        if self.port == 0:
            owner = port_owner(port)
            raise PortInUseError(
                f"port {port} is taken{f' by {owner}' if owner else ''}; end that process, perhaps another "
                "training run, or choose another port"
            )

    @property
    def ready(self) -> bool:
        """Whether `receive` would return at once."""
        return not self._calls.empty()

    @property
    def player_process(self) -> Process | None:
        """The player's process; None if it runs on another machine or may not be looked at."""
        return None if self._player is None else client_process(self.port, _client_port(self._player))

    def receive(self, timeout: float) -> Any:
        """Return the player's next message, or None after `timeout` seconds. Ctrl-C interrupts the wait.

        Raises:
            ConnectionAbortedError: The player sent what it must not, which the error's text names.
            ConnectionResetError: The player's connection broke.
        """
        deadline = time.monotonic() + timeout
        while True:
            remaining = deadline - time.monotonic()
            try:
                call = self._calls.get(timeout=max(0.0, min(POLL_SECONDS, remaining)))
                break
            except queue.Empty:
                if remaining <= 0:
                    return None
        self._open = call
        if call.message is None:
            if call.fault:
                raise ConnectionAbortedError(call.fault)
            raise ConnectionResetError("the connection broke")
        return call.message

    def send(self, message: Any) -> None:
        """Answer the message that was received last."""
        if self._open is not None:
            self._answer(self._open, message)
            self._open = None

    def close(self) -> None:
        """Tell the player to quit, and stop listening. A waiting `receive` raises ConnectionResetError."""
        self._closing = True
        self.send(wire.message(wire.QUIT))
        while not self._calls.empty():
            self._answer(self._calls.get(), wire.message(wire.QUIT))
        self._arrive(_Call(None))
        with contextlib.suppress(TimeoutError):
            event_loop.run(self._server.stop(grace=1), timeout=3)

    async def _start(self, port: int, host: Address) -> int:
        """Start listening, and return the port, or 0 if that fails."""
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        service, _, method = wire.METHOD.strip("/").partition("/")
        handler = grpc.unary_unary_rpc_method_handler(self._serve)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
        address = f"[{host}]" if host.version == 6 else str(host)
        bound = self._bind(f"{address}:{port}")
        if bound and host == ipaddress.ip_address(LOOPBACK):
            self._bind(f"[::1]:{bound}")  # `localhost` may mean this address; machines without IPv6 lack it
        if bound:
            await self._server.start()
        return bound

    def _bind(self, address: str) -> int:
        try:
            return int(self._server.add_insecure_port(address))
        except RuntimeError:
            logger.debug("not listening on %s", address)
            return 0

    async def _serve(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        """Serve one call and return the serialised answer."""
        if self._closing:
            return bytes(wire.message(wire.QUIT).SerializeToString())
        peer = context.peer()
        try:
            message = wire.UnityMessage.FromString(request)
            refusal = self._refusal(message, peer)
        except DecodeError:
            refusal = "something that is not an ML-Agents message"
        if refusal:
            logger.warning("port %d: refused %s: %s", self.port, peer, refusal)
            if peer == self._player:
                self._arrive(_Call(None, fault=refusal))
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, refusal)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        call = _Call(message, answer)
        self._arrive(call)
        try:
            return await answer
        except asyncio.CancelledError:  # the player's connection broke
            call.message = None
            self._arrive(_Call(None))
            raise
        finally:
            self._player_waits = False

    def _arrive(self, call: _Call) -> None:
        self._calls.put(call)
        self.on_arrival()

    @staticmethod
    def _answer(call: _Call, message: Any) -> None:
        answer = call.answer
        if answer is not None:
            content = message.SerializeToString()
            event_loop.event_loop().call_soon_threadsafe(
                lambda: None if answer.done() else answer.set_result(content)
            )

    def _refusal(self, message: Any, peer: str) -> str | None:
        """Return why a message is refused, or None if it is the player's."""
        introduces = message.unity_output.HasField("rl_initialization_output") and bool(
            message.unity_output.rl_initialization_output.communication_version
        )
        if message.header.status not in (wire.OK, wire.QUIT):
            return f"an unknown status {message.header.status}"
        if introduces:
            if self._player is not None:
                return (
                    "a second introduction" if peer == self._player else "another player is connected already"
                )
            self._player = peer
        elif peer != self._player:
            if not self._may_be_the_player(message):
                return "a message from somebody who did not introduce himself"
            logger.info("the player is back, over a new connection")
            self._player = peer
        self._player_waits = True
        return None

    def _may_be_the_player(self, message: Any) -> bool:
        """Whether a message on a new connection may be the player's next message."""
        if self._player is None or self._player_waits:
            return False
        in_turn = message.header.status == wire.QUIT or message.unity_output.HasField("rl_output")
        return in_turn and not is_connected(self.port, _client_port(self._player))


def _client_port(peer: str) -> int:
    """Return the port in a gRPC peer name such as ipv4:127.0.0.1:5432."""
    return int(peer.rpartition(":")[2])
