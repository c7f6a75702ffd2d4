"""The gRPC server that a player calls.

A player asks and the trainer answers: the player's call, which carries observations, stays open until the actions are
there. So `receive` takes the player's next call and `send` answers it. Calls are served in the event loop's thread,
all players' in one, since threads that take turns cost more than their work; what learns is in the caller's. The first
player that introduces itself is served, and strangers are refused without disturbing it.

gRPC closes a connection over which nothing was said for half an hour, as when the Editor is paused, and opens another
when its player goes on. So once the player's connection is gone, the next one is taken for the player's.
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
from bridge.faults import PortInUseError
from bridge.ports import Process, client_process, is_connected, is_free, port_owner

logger = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.25
SERVER_OPTIONS = (*wire.CHANNEL_OPTIONS, ("grpc.so_reuseport", 0))


@dataclass
class _Call:
    """A call of the player: its message, None once its connection broke, and the place for the answer."""

    message: Any
    answer: "asyncio.Future[bytes] | None" = None


class Communicator:
    """Listens on one port for one player.

    Args:
        port: The port; 0 takes any free one.
        listen: The address to listen on; the default is reachable from this machine only.

    Attributes:
        port: The port it listens on.
        on_arrival: Called, in the event loop's thread, whenever there is something to receive; may be replaced.

    Raises:
        PortInUseError: Something else listens there.
    """

    def __init__(self, port: int, listen: str = LOOPBACK) -> None:
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
        """The process that the player runs in, if it is on this machine and can be seen."""
        return None if self._player is None else client_process(self.port, _client_port(self._player))

    def receive(self, timeout: float) -> Any:
        """The player's next message, or None if none came in time; Ctrl-C interrupts it.

        Raises:
            ConnectionError: The player's connection broke.
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
            raise ConnectionError("the connection broke")
        return call.message

    def send(self, message: Any) -> None:
        """Answer the message that was received last."""
        if self._open is not None:
            self._answer(self._open, message)
            self._open = None

    def close(self) -> None:
        """Tell the player to quit, and stop listening; a `receive` that waits in another thread fails."""
        self._closing = True
        self.send(wire.message(wire.QUIT))
        while not self._calls.empty():
            self._answer(self._calls.get(), wire.message(wire.QUIT))
        self._arrive(_Call(None))
        with contextlib.suppress(TimeoutError):
            event_loop.run(self._server.stop(grace=1), timeout=3)

    async def _start(self, port: int, host: Address) -> int:
        """Begin to listen; returns the port, 0 where that is not possible."""
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        service, _, method = wire.METHOD.strip("/").partition("/")
        handler = grpc.unary_unary_rpc_method_handler(self._serve)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
        address = f"[{host}]" if host.version == 6 else str(host)
        bound = self._bind(f"{address}:{port}")
        if bound and host == ipaddress.ip_address(LOOPBACK):
            self._bind(f"[::1]:{bound}")  # where `localhost` means that; machines without IPv6 do without
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
        """One call; returns the serialised answer."""
        try:
            message = wire.UnityMessage.FromString(request)
        except DecodeError:
            logger.warning("port %d: refused a message from %s that is none", self.port, context.peer())
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not an ML-Agents message")
        if self._closing:
            return bytes(wire.message(wire.QUIT).SerializeToString())
        refusal = self._refusal(message, context.peer())
        if refusal:
            logger.warning("port %d: refused %s: %s", self.port, context.peer(), refusal)
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
        """Why a message is not from the player that is served here; None if it is."""
        introduces = message.unity_output.HasField("rl_initialization_output") and bool(
            message.unity_output.rl_initialization_output.communication_version
        )
        if message.header.status not in (wire.OK, wire.QUIT):
            return f"an unknown status {message.header.status}"
        if introduces:
            if self._player is not None:
                return "another player is connected already"
            self._player = peer
        elif peer != self._player:
            if not self._may_be_the_player(message):
                return "a message from somebody who did not introduce himself"
            logger.info("the player is back, over a new connection")
            self._player = peer
        self._player_waits = True
        return None

    def _may_be_the_player(self, message: Any) -> bool:
        """Whether a message over another connection than the player's may be its next."""
        if self._player is None or self._player_waits:
            return False
        in_turn = message.header.status == wire.QUIT or message.unity_output.HasField("rl_output")
        return in_turn and not is_connected(self.port, _client_port(self._player))


def _client_port(peer: str) -> int:
    """The port in what gRPC calls a peer, such as ipv4:127.0.0.1:5432."""
    return int(peer.rpartition(":")[2])
