"""Waiting where no signal is handled: what is returned and raised, and that Ctrl-C ends the wait."""

import os
import signal
import threading
import time

import pytest

from trainers.optim.interruptible import interruptible


def test_what_a_call_returns_is_returned() -> None:
    assert interruptible(lambda: 3) == 3


def test_what_it_raises_is_raised() -> None:
    with pytest.raises(TimeoutError, match="too late"):
        interruptible(lambda: (_ for _ in ()).throw(TimeoutError("too late")))


def test_a_signal_ends_the_wait() -> None:
    """The lock is waited for without a limit, as a library in another language waits."""
    never, begun = threading.Lock(), time.monotonic()
    never.acquire()
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        interruptible(never.acquire)
    assert time.monotonic() - begun < 30
    never.release()
