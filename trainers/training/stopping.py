"""Stopping a run with SIGINT (Ctrl-C), SIGTERM, SIGHUP (a closed terminal) or SIGBREAK (Ctrl-Break on Windows)."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from gym_adapters.errors import close_reported
from trainers.records.timers import TimerTree

SAVING = "Stopping, and saving the run; another Ctrl-C ends it at once, and what the last checkpoint lacks is lost."

REPEAT_SECONDS = 2.0
"""Signals within this time after the first count as the same request, because `timeout` and shells may send several."""


class Stoppable(Protocol):
    """What a stop signal ends.

    Attributes:
        stop_requested: set by the signal; the run leaves its loop after the present step.
        timers: say whether the run is waiting for its environment.
    """

    stop_requested: bool
    timers: TimerTree


class StopSignals:
    """Handles stop signals: the first ends and saves the run, a later one ends the process at once without saving.

    A signal before `ending` is entered raises `KeyboardInterrupt`, because there is nothing to save yet.

    Attributes:
        at_once: whether a signal has raised `KeyboardInterrupt`. One without a signal comes from elsewhere, such as an
            environment that handles Ctrl-C itself.
    """

    def __init__(self) -> None:
        self.at_once = False
        self._session: Stoppable | None = None
        self._running = self._leaving = False
        self._first: float | None = None

    @property
    def received(self) -> bool:
        """Whether a signal has come."""
        return self._first is not None

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals in this context, and restore their former handlers at the end.

        Outside the main thread, signals cannot be handled, and the context does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {number: signal.signal(number, self._receive) for number in _handled_signals()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @contextmanager
    def ending(self, session: Stoppable) -> Iterator[None]:
        """Let the first signal end this run and leave this context.

        The present step is completed first. If the run is waiting for the environment, it leaves at once.
        """
        self._session, self._running = session, True
        with suppress(_LeaveEnvironmentError):
            yield
        self._running = False

    def leaving(self, close: Callable[[], None]) -> None:
        """Close the environment of a run that has ended. A signal interrupts a `close` that does not return.

        An exception of `close` is reported and goes no further: the run is saved, or its own failure is on its way.
        """
        self._leaving = True
        with suppress(KeyboardInterrupt):
            close_reported(close)

    def _receive(self, number: int, frame: object) -> None:
        now = time.monotonic()
        first, self._first = self._first is None, self._first or now
        if self._session is not None:
            self._session.stop_requested = True
            if self._running and self._session.timers.inside("env"):
                self._running, self._first = False, now
                raise _LeaveEnvironmentError
        if now - self._first > REPEAT_SECONDS or (first and (self._session is None or self._leaving)):
            self.at_once = True
            raise KeyboardInterrupt


def _handled_signals() -> list[signal.Signals]:
    """Return the signals to handle. SIGHUP is left alone if it is ignored, as under `nohup`."""
    taken = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        taken.append(signal.SIGBREAK)  # Ctrl-Break, which also reaches processes that ignore Ctrl-C
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        taken.append(signal.SIGHUP)
    return taken


class _LeaveEnvironmentError(BaseException):
    """Leaves a call to the environment. It is a `BaseException`, so that no `except Exception` catches it."""
