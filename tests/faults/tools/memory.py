"""Refusals in little memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from gym_adapters.errors import UserError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

SPARE = 2**29
"""Bytes of address space that a refusal may take; no limit where the system knows none."""


@contextmanager
def little_memory() -> Iterator[None]:
    """Lets this process take no more than `SPARE` bytes more."""
    if resource is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + SPARE, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def refused(action: Callable[[], Any], *words: str) -> None:
    """Asserts that something is refused in one line with these words, in little memory."""
    with little_memory(), pytest.raises(UserError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message
