"""Finds the process that listens on a port of this machine, and the one that is connected to it."""

import os
import random
import socket
from dataclasses import dataclass
from typing import Any

import psutil

from gym_adapters.errors import UserError

EDITOR_PORT = 5004
"""The port on which the Unity Editor looks for a trainer."""

BASE_PORT = 5005
"""The port on which the first built player looks for a trainer, unless it is told otherwise."""

HIGHEST_PORT = 65535
"""The highest number that a port may have."""

SEARCHED = range(5100, 32768)
"""Where free ports are looked for: above Unity's usual ones, below those that Linux gives to clients."""


@dataclass(frozen=True)
class Process:
    """A process on this machine."""

    handle: psutil.Process
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.handle.pid})"

    @property
    def is_alive(self) -> bool:
        """Whether it still runs; True where that cannot be known."""
        try:
            return self.handle.is_running() and self.handle.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def port_owner(port: int) -> Process | None:
    """The process that listens on a TCP port; None where the present user may not see it."""
    return _holder(psutil.CONN_LISTEN, port)


def client_process(port: int, client_port: int) -> Process | None:
    """The process on this machine that is connected from `client_port` to `port`.

    None where there is none, or where the present user may not see it.
    """
    return _holder(psutil.CONN_ESTABLISHED, client_port, port)


def is_connected(port: int, client_port: int) -> bool | None:
    """Whether this process has a connection from `client_port` to its `port`; None where that cannot be known."""
    try:
        connections = psutil.Process().net_connections("tcp")
    except (psutil.Error, OSError):
        return None
    return any(_matches(one, psutil.CONN_ESTABLISHED, port, client_port) for one in connections)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on the port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name == "posix":  # a port that was in use a minute ago is free; elsewhere the option means more
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> int:
    """Return the first of `count` free ports in a row.

    They are chosen at random: two processes that look at the same moment, before either listens, hardly find the same.

    Raises:
        UserError: There are none.
    """
    starts = SEARCHED[: max(0, len(SEARCHED) - count + 1) : count]
    for first in random.SystemRandom().sample(starts, len(starts)):
        if all(map(is_free, range(first, first + count))):
            return first
    raise UserError(
        f"there are no {count:,} free ports in a row from {SEARCHED.start} to {SEARCHED.stop - 1}; use fewer players"
    )


def _holder(status: str, port: int, remote_port: int | None = None) -> Process | None:
    """The process with a TCP connection in this state and with these ports."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.pid and _matches(connection, status, port, remote_port):
                handle = psutil.Process(connection.pid)
                return Process(handle, handle.name())
    except (psutil.Error, OSError):  # macOS shows a user no connections of the whole machine
        pass
    return None


def _matches(connection: Any, status: str, port: int, remote_port: int | None) -> bool:
    is_local = connection.status == status and connection.laddr.port == port
    return is_local and (
        remote_port is None or (bool(connection.raddr) and connection.raddr.port == remote_port)
    )
