"""Two network namespaces of Linux with a line of a given latency between them, as if they were two machines.

The kernel's own delays (`netem`) are a module that many kernels lack, so each namespace has a tun device, and a process
of this one carries the packets from one to the other, each a given time later.
"""

import collections
import fcntl
import multiprocessing
import os
import select
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.benchmarks.common import SkippedError

NAMES = ("bridge-a", "bridge-b")
"""Namespaces, and the devices in them."""
ADDRESSES = ("10.213.7.1", "10.213.7.2")
LARGEST_PACKET = 65000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


@contextmanager
def two_machines(seconds: float) -> Iterator[tuple[str, str]]:
    """Make two namespaces that reach each other at `ADDRESSES`, `seconds` one way. Yields their names.

    Raises:
        SkippedError: this user or this system cannot make them.
    """
    devices: list[int] = []
    try:
        for name in NAMES:
            _ip("netns", "delete", name, check=False)  # of a process that was killed
        for name, address in zip(NAMES, ADDRESSES, strict=True):
            devices.append(_open_tun(name))
            _ip("netns", "add", name)
            _ip("link", "set", name, "netns", name)
            _ip("-n", name, "address", "add", f"{address}/24", "dev", name)
            _ip("-n", name, "link", "set", name, "mtu", str(LARGEST_PACKET), "up")
            _ip("-n", name, "link", "set", "lo", "up")
    except (OSError, subprocess.CalledProcessError) as error:
        _close(devices)
        raise SkippedError(f"two namespaces need Linux, `ip` and the rights of root ({error})") from error
    carrier = multiprocessing.get_context("fork").Process(target=_carry, args=(devices, seconds), daemon=True)
    carrier.start()
    try:
        yield NAMES
    finally:
        carrier.kill()
        carrier.join()
        _close(devices)


def _open_tun(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return device


def _close(devices: list[int]) -> None:
    for device in devices:
        os.close(device)
    for name in NAMES:
        _ip("netns", "delete", name, check=False)


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


def _carry(devices: list[int], seconds: float) -> None:
    """Write what is read from each of two devices to the other one, a time later."""
    with suppress(OSError):
        os.nice(-20)  # packets must not wait for a core
    first, second = devices
    ways = {first: second, second: first}
    waiting: collections.deque[tuple[float, int, bytes]] = collections.deque()
    while True:
        pause = max(0.0, waiting[0][0] - time.perf_counter()) if waiting else None
        ready, _, _ = select.select(devices, [], [], pause)
        for device in ready:
            with suppress(BlockingIOError):
                while True:
                    packet = os.read(device, LARGEST_PACKET + 100)
                    waiting.append((time.perf_counter() + seconds, ways[device], packet))
        while waiting and waiting[0][0] <= time.perf_counter():
            _, device, packet = waiting.popleft()
            with suppress(OSError):  # a device that is down loses packets, as a line does
                os.write(device, packet)
