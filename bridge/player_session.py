"""The session of one player: start, handshake, messages, end, and an explanation if one of these fails."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge import wire
from bridge.channels import EngineConfig
from bridge.communicator import LOOPBACK, Communicator
from bridge.errors import PlayerLostError, PlayerStoppedError, PortInUseError
from bridge.ports import BASE_PORT, EDITOR_PORT, HIGHEST_PORT, Process
from bridge.process import PlayerProcess
from gym_adapters.errors import UserError
from gym_adapters.text import one_line

logger = logging.getLogger(__name__)

HINT_SECONDS = 60.0
QUIT_SECONDS = 10.0

PLAYER_CHECKS = (
    "check that it needs no click to start, that its agents' Behavior Type is Default, that it was built with "
    "com.unity.ml-agents 2.0 or newer, and, without a display, that it gets --no-graphics"
)
HANGING = "it may hang: see what it was doing"
EDITOR_CHECKS = (
    "check that Play is pressed and not paused, that an agent's Behavior Type is Default, that its Behavior "
    "Parameters hold no error, and that the Console shows none"
)


@dataclass(frozen=True)
class PlayerOptions:
    """How a player is started and connected.

    Attributes:
        file_name: The path of a built player; None means the Editor, which a person starts.
        port: The port to listen on; None means 5004 for the Editor and 5005 for a player. A player's port is this
            number plus its worker id, or another free port if that one is taken or above 65535.
        worker_id: The number of the player, from 0.
        timeout: Seconds to wait for each message of the player; None waits forever.
        seed: The seed of the player's random numbers.
        num_areas: The number of training areas in the player.
        arguments: Further command line arguments of the player.
        no_graphics: Whether to run it without a graphics device.
        log_folder: The folder of `Player-<worker id>.log`; None means no log.
        engine: Resolution, quality and speed; None keeps the player's own.
        listen: The address to listen on.
        reorder_images: Whether raw images that arrive in another order than their shape says are put in order.
    """

    file_name: str | Path | None = None
    port: int | None = None
    worker_id: int = 0
    timeout: float | None = None
    seed: int = 0
    num_areas: int = 1
    arguments: tuple[str, ...] = ()
    no_graphics: bool = False
    log_folder: Path | None = None
    engine: EngineConfig | None = None
    listen: str = LOOPBACK
    reorder_images: bool = True


@dataclass
class _Due:
    """A message that the player has to send.

    Attributes:
        complaint: What the player failed to do if the message does not come.
        advice: What the user should check then.
        start: When the wait began, in seconds of the monotonic clock.
        hint: When to tell the user next that the message is late, on the same clock.
    """

    complaint: str
    advice: str
    start: float
    hint: float


class PlayerSession:
    """The connection to one player, and its process if it was started here.

    Args:
        options: How to start it.

    Attributes:
        communicator: The server that it connects to.
        process: The player's process; None if it was not started here.
        package: The version of com.unity.ml-agents that the player reports; empty before it has connected.

    Raises:
        UserError: The port is taken, or the player cannot be started.
    """

    def __init__(self, options: PlayerOptions) -> None:
        self.options = options
        self.process: PlayerProcess | None = None
        self.package = ""
        self._editor: Process | None = None
        self._due = _Due("", "", 0.0, 0.0)
        self.communicator = self._listen()
        try:
            if options.file_name is not None:
                self.process = self._launch(options.file_name)
        except BaseException:
            self.close(patience=0)
            raise

    @property
    def player(self) -> str:
        """The player's name in messages to the user."""
        return "the Unity Editor" if self.process is None else f"player {self.process.name}"

    def connect(self) -> None:
        """Wait for the player to introduce itself, and check that both speak the same version."""
        if self.process is None:
            port = self.communicator.port
            if port != EDITOR_PORT:
                logger.warning(
                    "the Unity Editor connects to port %d, not to %d; leave base_port out, or start a player with "
                    "--mlagents-port %d",
                    EDITOR_PORT,
                    port,
                    port,
                )
            print(  # noqa: T201
                f"Listening on port {port}. Press Play in the Unity Editor to start training.", flush=True
            )
        output = self.receive("did not connect", PLAYER_CHECKS).rl_initialization_output
        if self.process is None:
            self._editor = self.communicator.player_process
        answer = wire.message()
        setup = answer.unity_input.rl_initialization_input
        setup.seed, setup.num_areas = self.options.seed, self.options.num_areas
        setup.communication_version, setup.package_version = wire.API_VERSION, "1.1.0"
        wire.set_capabilities(setup.capabilities)
        self.communicator.send(answer)
        self.receive("did not go on after connecting")
        theirs, package = (
            one_line(text, 40) for text in (output.communication_version, output.package_version)
        )
        self.package = package
        if theirs.split(".")[0] != wire.API_VERSION.split(".")[0]:
            raise UserError(
                f"{self.player} speaks communicator API {theirs} (package {package}), this trainer "
                f"{wire.API_VERSION}; use com.unity.ml-agents 2.x to 4.x"
            )
        logger.info("connected to %s, package %s, API %s", self.player, package, theirs)

    def send(self, message: Any) -> None:
        """Answer the player."""
        self.communicator.send(message)

    def receive(self, complaint: str, checks: str = HANGING) -> Any:
        """Wait for the player's next `UnityOutputProto`. Takes the arguments of `expect` and raises as `poll` does."""
        self.expect(complaint, checks)
        while (output := self.poll(1.0)) is None:
            pass
        return output

    def expect(self, complaint: str, checks: str = HANGING) -> None:
        """Begin to wait for a message of the player.

        Args:
            complaint: What the player failed to do if none comes.
            checks: What the user should check then. The Editor has its own list.
        """
        advice = EDITOR_CHECKS if self.process is None else checks
        now = time.monotonic()
        self._due = _Due(complaint, advice, now, now + HINT_SECONDS)

    def poll(self, seconds: float) -> Any | None:
        """Return the player's next `UnityOutputProto`, or None if none comes within `seconds`.

        Raises:
            PlayerLostError: The player exited, did not answer within its timeout, or sent what is no message.
            PlayerStoppedError: The Editor's Stop was pressed.
        """
        due, timeout = self._due, self.options.timeout
        left = seconds if timeout is None else min(seconds, due.start + timeout - time.monotonic())
        try:
            message = self.communicator.receive(max(0.0, left))
        except ConnectionAbortedError as error:
            raise PlayerLostError(
                f"{self.player} sent {error}; use com.unity.ml-agents 2.x to 4.x, and one player for each port"
            ) from None
        except ConnectionResetError:
            raise PlayerLostError(self._ending("broke the connection")) from None
        if message is None:
            if not self.communicator.ready:
                self._complain(due)
            return None
        if message.header.status == wire.QUIT:
            if self.process is None:
                raise PlayerStoppedError("the Unity Editor stopped playing")
            raise PlayerLostError(self._ending("quit"))
        return message.unity_output

    def close(self, patience: float = QUIT_SECONDS) -> None:
        """Tell the player to quit. A player that was started here is killed after `patience` seconds."""
        self.communicator.close()
        if self.process is not None:
            self.process.end(patience)

    def _complain(self, due: "_Due") -> None:
        """Tell the user every minute that a message is late, and raise if none will come."""
        now, timeout = time.monotonic(), self.options.timeout
        if self.process is not None and self.process.exit_code is not None:
            raise PlayerLostError(self._ending(due.complaint))
        if self._editor is not None and not self._editor.is_alive:
            raise PlayerLostError(f"the Unity Editor, {self._editor}, is gone; it may have crashed")
        if timeout is not None and now >= due.start + timeout:
            words = "" if self.process is None else self.process.last_words()
            raise PlayerLostError(f"{self.player} {due.complaint} within {timeout:g} s; {due.advice}{words}")
        if now >= due.hint:
            due.hint += HINT_SECONDS
            logger.info("%s %s for %.0f s: %s", self.player, due.complaint, now - due.start, due.advice)

    def _listen(self) -> Communicator:
        options = self.options
        if options.file_name is None:
            return Communicator(EDITOR_PORT if options.port is None else options.port, options.listen)
        port = (BASE_PORT if options.port is None else options.port) + options.worker_id
        try:
            return Communicator(port if port <= HIGHEST_PORT else 0, options.listen)
        except PortInUseError as taken:
            communicator = Communicator(0, options.listen)
            logger.info("%s; taking port %d", str(taken).split(";")[0], communicator.port)
            return communicator

    def _launch(self, file_name: str | Path) -> PlayerProcess:
        options, log = self.options, None
        arguments = ["-nographics", "-batchmode"] if options.no_graphics else []
        arguments += ["--mlagents-port", str(self.communicator.port)]
        if options.log_folder is not None and "-logfile" not in (text.lower() for text in options.arguments):
            log = options.log_folder.absolute() / f"Player-{options.worker_id}.log"
            arguments += ["-logFile", str(log)]
        return PlayerProcess(file_name, [*arguments, *options.arguments], log)

    def _ending(self, otherwise: str) -> str:
        """Describe how the player ended. `otherwise` is used if it still runs or was not started here."""
        if self.process is not None and self.process.wait(5.0):
            return f"{self.player} {self.process.obituary()}"
        words = "" if self.process is None else self.process.last_words()
        return f"{self.player} {otherwise}{words}"
