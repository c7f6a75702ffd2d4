"""How `torchrun` started this process, and what outlives a restart by it."""

import importlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gym_adapters.errors import UserError

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""The environment variables that `torchrun` sets for every process."""


@dataclass(frozen=True)
class Launch:
    """How `torchrun` started this process.

    Attributes:
        rank: number of this process among all of the run.
        local_rank: number of this process on its machine.
        size: number of processes of the run.
        on_machine: number of processes of the run on this machine.
        restarts: how often the run has been restarted after a failure.
        host: name of this machine.
    """

    rank: int
    local_rank: int
    size: int
    on_machine: int
    restarts: int
    host: str


def launched(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """Return how `torchrun`, or another starter that sets its variables, started this process; None if none did.

    Raises:
        UserError: a variable is no number, or they contradict each other.
    """
    if any(name not in environment for name in NEEDED):
        return None
    rank, size = _number(environment, "RANK"), _number(environment, "WORLD_SIZE")
    if not 0 <= rank < size:
        raise UserError(f"RANK is {rank} and WORLD_SIZE {size}; expected a rank from 0 to WORLD_SIZE - 1")
    return Launch(
        rank,
        _number(environment, "LOCAL_RANK", str(rank)),
        size,
        _number(environment, "LOCAL_WORLD_SIZE", str(size)),
        _number(environment, "TORCHELASTIC_RESTART_COUNT", "0"),
        socket.gethostname(),
    )


def remember(key: str, text: str) -> None:
    """Keep a text until `torchrun` itself ends, so that it outlives a restart. Without `torchrun` nothing is kept."""
    store = _lasting_store()
    if store is not None:
        store.set(f"bridge/{key}", text)


def recall(key: str) -> str | None:
    """Return what `remember` kept; None if there is nothing."""
    store = _lasting_store()
    if store is None or not store.check([f"bridge/{key}"]):
        return None
    text: str = store.get(f"bridge/{key}").decode()
    return text


def _lasting_store() -> Any:
    """Return the store of the `torchrun` process; None without."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    distributed: Any = importlib.import_module("torch.distributed")
    try:
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        return distributed.TCPStore(host, port, is_master=False, timeout=timedelta(seconds=30))
    except (RuntimeError, ValueError):
        return None


def _number(environment: Mapping[str, str], name: str, default: str = "") -> int:
    text = environment.get(name, default)
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{name} is {text!r}; expected the number that torchrun sets") from None
