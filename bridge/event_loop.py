"""The one thread in which all players' calls are served."""

import asyncio
import functools
import threading
from collections.abc import Coroutine
from typing import Any


@functools.cache
def event_loop() -> asyncio.AbstractEventLoop:
    """The loop of this process; it starts with the first player, and does not keep a finished program alive."""
    loop = asyncio.SelectorEventLoop()  # gRPC watches a socket, which the other loop of Windows cannot do
    threading.Thread(target=loop.run_forever, name="players", daemon=True).start()
    return loop


def run(coroutine: Coroutine[Any, Any, Any], timeout: float | None = None) -> Any:
    """What the coroutine returns, run in the loop's thread.

    Raises:
        TimeoutError: It took longer than `timeout` seconds.
    """
    return asyncio.run_coroutine_threadsafe(coroutine, event_loop()).result(timeout)
