"""Who holds a port on this machine."""

import os
import socket
from pathlib import Path

EDITOR_PORT = 5004
"""Where the Unity Editor looks for a trainer."""

BASE_PORT = 5005
"""Where the first built player does, unless it is told otherwise."""

_LISTENING = "0A"


def port_owner(port: int) -> str | None:
    """The process that listens on a TCP port, as "name (pid N)"; None where that cannot be known.

    Reads Linux's /proc, so it sees what the present user may see.
    """
    inodes = {
        inode for table in ("tcp", "tcp6") for inode in _listening_inodes(Path("/proc/net", table), port)
    }
    if not inodes:
        return None
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) in inodes:
                process = link.parents[1]
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue
    return None


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


def _listening_inodes(table: Path, port: int) -> list[str]:
    """The sockets in a table of /proc/net that listen on the port, as /proc/PID/fd names them."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [
        f"socket:[{row[9]}]"
        for row in rows
        if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port
    ]
