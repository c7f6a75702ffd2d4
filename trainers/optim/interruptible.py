"""Waiting in libraries that let no signal through."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

SECONDS = 0.1
"""How often signals are looked for."""

Result = TypeVar("Result")


def interruptible(call: Callable[[], Result]) -> Result:
    """Return what a call returns, or raise what it raises, so that Ctrl-C and SIGTERM interrupt it.

    Python handles a signal between two of its own instructions in the main thread, so never within a call that waits in
    another language. Here such a call waits in a thread of its own. After an interruption it is left behind.
    """
    done: Future[Result] = Future()

    def answer() -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=answer, name="waiting", daemon=True).start()
    while not done.done():
        wait([done], SECONDS)
    return done.result()
