"""SIGINT (Ctrl-C), SIGTERM and SIGHUP (a closed terminal): how a run is asked to end."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from trainers.training.session import Session

REPEAT_SECONDS = 2.0
"""Signals this soon after the first are the same request: `timeout`, shells and impatient fingers send several."""


class StopSignals:
    """While this is entered, the first signal ends the run, saved; a later one ends the process at once, unsaved.

    Before `ending` there is nothing to save yet, so that the first signal is a `KeyboardInterrupt`.
    """

    def __init__(self) -> None:
        self._session: Session | None = None
        self._running = self._leaving = False
        self._first: float | None = None

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Take the signals, and give them back at the end; elsewhere than in the main thread, leave them alone."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {number: signal.signal(number, self._receive) for number in _taken()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @contextmanager
    def ending(self, session: Session) -> Iterator[None]:
        """Let the first signal end this run, and with it this block.

        The present step is carried through, but an environment that is being waited for is left where it is.
        """
        self._session, self._running = session, True
        with suppress(_LeaveEnvironmentError):
            yield
        self._running = False

    def leaving(self, close: Callable[[], None]) -> None:
        """Close the environment of a run that has ended; a signal leaves one that does not end by itself."""
        self._leaving = True
        with suppress(KeyboardInterrupt):
            close()

    def _receive(self, number: int, frame: object) -> None:
        now = time.monotonic()
        first, self._first = self._first is None, self._first or now
        if self._session is not None:
            self._session.stop_requested = True
            if self._running and self._session.timers.inside("env"):
                self._running, self._first = False, now
                raise _LeaveEnvironmentError
        if now - self._first > REPEAT_SECONDS or (first and (self._session is None or self._leaving)):
            raise KeyboardInterrupt


def _taken() -> list[signal.Signals]:
    """The signals that ask a run to end; not SIGHUP where it is ignored on purpose, as by `nohup`."""
    taken = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        taken.append(signal.SIGHUP)
    return taken


class _LeaveEnvironmentError(BaseException):
    """Leaves a call into the environment; no `except Exception` on the way may hold it up."""
