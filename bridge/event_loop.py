"""The thread that serves the calls of all players."""

import asyncio
import functools
import threading
from collections.abc import Coroutine
from typing import Any


@functools.cache
def event_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of this process. Its daemon thread starts with the first call."""
    loop = asyncio.SelectorEventLoop()  # gRPC watches sockets, which Windows' default loop cannot do
    threading.Thread(target=loop.run_forever, name="players", daemon=True).start()
    return loop


def run(coroutine: Coroutine[Any, Any, Any], timeout: float | None = None) -> Any:
    """Run a coroutine in the loop's thread and return its result.

    Raises:
        TimeoutError: It took longer than `timeout` seconds.
    """
    return asyncio.run_coroutine_threadsafe(coroutine, event_loop()).result(timeout)
