"""Who holds a port on this machine, and who is connected to it. What Linux's /proc does not show is not known."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

EDITOR_PORT = 5004
"""Where the Unity Editor looks for a trainer."""

BASE_PORT = 5005
"""Where the first built player does, unless it is told otherwise."""

LAST_PORT = 65535

_ESTABLISHED, _LISTENING = "01", "0A"


@dataclass(frozen=True)
class Process:
    """A process on this machine."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"

    @property
    def is_alive(self) -> bool:
        """Whether it still runs, or could."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state not in ("Z", "X")


def port_owner(port: int) -> Process | None:
    """The process that listens on a TCP port; None where that cannot be known.

    Reads Linux's /proc, so it sees what the present user may see.
    """
    return _holder(_sockets(_LISTENING, port))


def client_process(port: int, client_port: int) -> Process | None:
    """The process on this machine that is connected from `client_port` to `port`; None where that cannot be known."""
    return _holder(_sockets(_ESTABLISHED, client_port, port))


def is_connected(port: int, client_port: int) -> bool | None:
    """Whether a server on `port` still has a connection from `client_port`; None where that cannot be known."""
    if not Path("/proc/net/tcp").exists():
        return None
    return bool(_sockets(_ESTABLISHED, port, client_port))


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


def _sockets(state: str, port: int, remote_port: int | None = None) -> set[str]:
    """The sockets of this machine in this state and with these ports, as /proc/PID/fd names them."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = [line.split() for line in Path("/proc/net", table).read_text().splitlines()[1:]]
        except OSError:
            continue
        for row in rows:
            local, remote = (int(address.rpartition(":")[2], 16) for address in row[1:3])
            if row[3] == state and local == port and remote_port in (None, remote):
                found.add(f"socket:[{row[9]}]")
    return found


def _holder(sockets: set[str]) -> Process | None:
    """The process that has one of these sockets open."""
    for link in Path("/proc").glob("[0-9]*/fd/*") if sockets else ():
        try:
            if str(link.readlink()) in sockets:
                process = link.parents[1]
                return Process(int(process.name), (process / "comm").read_text().strip())
        except OSError:
            continue
    return None
