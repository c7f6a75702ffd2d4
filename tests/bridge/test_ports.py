"""Processes behind ports, where they may be seen and where not."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest

from bridge import ports
from bridge.ports import Process, client_process, free_ports, is_connected, is_free, port_owner
from gym_adapters import UserError


@pytest.fixture
def connection() -> Iterator[tuple[int, int]]:
    """The ports of a server and of its client, both in this process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, closing(server.accept()[0]):
            yield port, client.getsockname()[1]


def denied(*arguments: object) -> object:
    raise psutil.AccessDenied


def test_processes_are_found_by_their_ports(connection: tuple[int, int]) -> None:
    port, client_port = connection
    for process in (port_owner(port), client_process(port, client_port)):
        assert process is not None
        assert process.is_alive
        assert f"(pid {os.getpid()})" in str(process)
    assert is_connected(port, client_port)
    assert not is_free(port)


def test_nobody_is_found_at_other_ports(connection: tuple[int, int]) -> None:
    port, client_port = connection
    with socket.create_server(("127.0.0.1", 0)) as server:
        other = server.getsockname()[1]
    assert port_owner(other) is None
    assert port_owner(client_port) is None  # connected, but not listening
    assert client_process(other, client_port) is None
    assert is_connected(port, other) is False
    assert is_free(other)


def test_what_may_not_be_seen_is_unknown(
    connection: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, client_port = connection
    process = port_owner(port)
    assert process is not None
    monkeypatch.setattr(psutil.Process, "status", denied)
    assert process.is_alive
    monkeypatch.setattr(psutil.Process, "name", denied)
    assert port_owner(port) is None
    monkeypatch.setattr(psutil, "net_connections", denied)
    monkeypatch.setattr(psutil.Process, "net_connections", denied)
    assert port_owner(port) is None
    assert client_process(port, client_port) is None
    assert is_connected(port, client_port) is None


def test_a_process_that_ended_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True) as child:
        process = Process(psutil.Process(child.pid), "child")
        assert process.is_alive
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        while process.handle.status() != psutil.STATUS_ZOMBIE:  # until its parent asks for its exit status
            time.sleep(0.01)
        assert not process.is_alive
    assert not process.is_alive


def test_free_ports_stand_in_a_row_and_differ_from_call_to_call() -> None:
    found = [free_ports(3) for _ in range(20)]
    assert all(first in ports.SEARCHED and first + 2 in ports.SEARCHED for first in found)
    assert len(set(found)) > 10, "so that two trainers that are started at once get different ones"


def test_a_row_with_a_taken_port_is_left_out(
    connection: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = connection[0]
    monkeypatch.setattr(ports, "SEARCHED", range(taken, taken + 1))
    for count in (1, 2):
        with pytest.raises(UserError, match=f"no {count} free ports in a row from {taken} to {taken}"):
            free_ports(count)
