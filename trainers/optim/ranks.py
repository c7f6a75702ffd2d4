"""The ranks of a run that `torchrun` started: a `Collective` over `torch.distributed`, which is imported only then.

Tensors on the CPU travel by gloo, those on a GPU by nccl. What a peer sends is numbers, JSON, or tensors in a file that
is read without running code.
"""

import importlib
import io
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gym_adapters.errors import UserError

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""The environment variables that `torchrun` sets for every process."""

JOINING_SECONDS = 300.0
"""The least time that a rank waits for the others to start."""
BEAT_SECONDS = 0.5
"""Time between two signs of life of a rank."""
GRACE_SECONDS = 3.0
"""Time that a rank whose call failed waits to learn why."""
MOST_NAMES = 5
"""The most ranks that a message names."""


_JOINED = itertools.count()
"""How often this process has joined the others; it may train several times."""


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


class PeerError(UserError):
    """Another rank failed, so that this one cannot go on."""


class Ranks:
    """The ranks of a run, joined by `torch.distributed`. See `Collective`.

    Args:
        launch: how this process was started.
        timeout: seconds that a rank waits for the others before it gives up.

    Attributes:
        hosts: the machine of each rank.

    Raises:
        UserError: the other ranks cannot be reached.
    """

    def __init__(self, launch: Launch, timeout: float) -> None:
        distributed: Any = importlib.import_module("torch.distributed")
        self.launch, self.timeout = launch, timeout
        self.rank, self.size = launch.rank, launch.size
        self._distributed = distributed
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if gpus:
            torch.cuda.set_device(launch.local_rank % gpus)
        has_own_gpu = launch.on_machine <= gpus and distributed.is_nccl_available()  # which nccl needs
        limit, patience = timedelta(seconds=timeout), timedelta(seconds=max(timeout, JOINING_SECONDS))
        try:
            store, _, _ = next(distributed.rendezvous("env://", timeout=patience))
            # The store outlives a restart, and what is left in it names processes that are gone.
            place = f"bridge/{launch.restarts}/{launch.size}/{next(_JOINED)}"
            self._store = distributed.PrefixStore(place, store)
            self._store.set(f"here{self.rank}", launch.host)
            self._store.wait([f"here{rank}" for rank in range(self.size)], patience)
            distributed.init_process_group(
                "cpu:gloo,cuda:nccl" if has_own_gpu else "gloo",
                store=distributed.PrefixStore("group", self._store),
                rank=self.rank,
                world_size=self.size,
                timeout=limit,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(
                f"rank {self.rank} on {launch.host} cannot reach the other ranks at {os.environ['MASTER_ADDR']}:"
                f"{os.environ['MASTER_PORT']} ({_first_line(error)}); check the rendezvous endpoint, firewalls, and "
                "GLOO_SOCKET_IFNAME"
            ) from error
        self._calls, self._failed = 0, False
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="signs of life", daemon=True)
        self._beating.start()
        self.hosts = [str(host) for host in self.gather_values(launch.host)]

    def sum(self, values: Tensor) -> Tensor:
        """See `Collective.sum`."""
        self._call(lambda: self._distributed.all_reduce(values))
        return values

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        """See `Collective.gather`."""
        own = torch.from_numpy(np.ascontiguousarray(numbers, np.float64))
        found = torch.empty((self.size, len(own)), dtype=torch.float64)
        self._call(lambda: self._distributed.all_gather(list(found.unbind()), own))
        return found.numpy()

    def gather_values(self, value: Any) -> list[Any]:
        """See `Collective.gather_values`."""
        text = json.dumps(value).encode()
        lengths = self.gather(np.array([len(text)])).astype(int)[:, 0]
        own = torch.zeros(int(lengths.max()), dtype=torch.uint8)
        own[: len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        found = torch.empty((self.size, len(own)), dtype=torch.uint8)
        self._call(lambda: self._distributed.all_gather(list(found.unbind()), own))
        return [
            json.loads(row[:length].numpy().tobytes()) for row, length in zip(found, lengths, strict=True)
        ]

    def broadcast(self, state: Any) -> Any:
        """See `Collective.broadcast`."""
        stream = io.BytesIO()
        if self.rank == 0:
            torch.save(state, stream)
        (length,) = self.gather_values(len(stream.getvalue()))[:1]
        content = torch.zeros(int(length), dtype=torch.uint8)
        if self.rank == 0:
            content = torch.frombuffer(bytearray(stream.getvalue()), dtype=torch.uint8)
        self._call(lambda: self._distributed.broadcast(content, 0))
        return torch.load(io.BytesIO(content.numpy().tobytes()), map_location="cpu", weights_only=True)

    def named(self, rank: int) -> str:
        """Return what a rank is called in messages."""
        return f"rank {rank} on {self.hosts[rank]}"

    def report_failure(self, cause: str) -> None:
        """Let the other ranks know why this one ends. The first cause stays."""
        self._failed = True
        with suppress(RuntimeError):
            self._store.compare_set("failure", "", f"{self.named(self.rank)}: {cause}")

    def may_speak(self) -> bool:
        """Whether no other rank has told the user of a failure yet. Called by the rank that is about to do so."""
        with suppress(RuntimeError):
            return self._store.compare_set("speaker", "", str(self.rank)).decode() == str(self.rank)
        return True  # the store is gone, and so is whoever ran it

    def leave(self) -> None:
        """Close the connections. A rank that waits for this one then fails.

        If nothing has failed, this waits until all ranks are about to leave, so that none closes a connection that
        another one still reads from.
        """
        self._ended.set()
        self._beating.join()
        if not self._failed:
            with suppress(RuntimeError):
                self._store.set(f"done{self.rank}", "")
                done = [f"done{rank}" for rank in range(self.size)]
                self._store.wait(done, timedelta(seconds=GRACE_SECONDS))
        with suppress(RuntimeError):
            self._distributed.destroy_process_group()

    def _call(self, operation: Callable[[], object]) -> None:
        """Do something that all ranks do together.

        Raises:
            PeerError: another rank has failed or does not come.
        """
        self._calls += 1
        try:
            operation()
        except RuntimeError as error:
            self._failed = True
            raise PeerError(self._cause(error)) from error

    def _beat(self) -> None:
        """Give signs of life: a count, and how many calls this rank has begun."""
        count = 0
        while not self._ended.wait(BEAT_SECONDS):
            count += 1
            with suppress(RuntimeError):
                self._store.set(f"beat{self.rank}", f"{count} {self._calls}")

    def _cause(self, error: RuntimeError) -> str:
        """Return why a call failed: what another rank says, or else which rank is gone or does not come."""
        late = "timed out" in str(error).lower()
        before = self._beats()
        with suppress(RuntimeError):
            deadline = time.monotonic() + (0.0 if late else GRACE_SECONDS)
            while True:
                told = self._store.compare_set("failure", "", "").decode()
                if told:
                    return told
                if time.monotonic() >= deadline:
                    break
                time.sleep(0.1)
        if late:
            behind = [rank for rank, (_, calls) in before.items() if calls < self._calls]
            return f"{self._names(behind)} did not come to the other ranks within {self.timeout:,.0f} s"
        after = self._beats()
        silent = [rank for rank in after if rank != self.rank and after[rank] == before[rank]]
        return f"{self._names(silent)} ended without a word: the process was killed, or its machine is gone"

    def _beats(self) -> dict[int, tuple[int, int]]:
        """Return the newest sign of life of each other rank, and how many calls it has begun."""
        found = {}
        for rank in range(self.size):
            if rank != self.rank:
                text = ""
                with suppress(RuntimeError):
                    if self._store.check([f"beat{rank}"]):
                        text = self._store.get(f"beat{rank}").decode()
                count, _, calls = text.partition(" ")
                found[rank] = (int(count or 0), int(calls or 0))
        return found

    def _names(self, ranks: list[int]) -> str:
        named = [self.named(rank) for rank in ranks[:MOST_NAMES]]
        more = f" and {len(ranks) - MOST_NAMES} more" if len(ranks) > MOST_NAMES else ""
        return f"{', '.join(named)}{more}" or "another rank"


def _number(environment: Mapping[str, str], name: str, default: str = "") -> int:
    text = environment.get(name, default)
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{name} is {text!r}; expected the number that torchrun sets") from None


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__


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
