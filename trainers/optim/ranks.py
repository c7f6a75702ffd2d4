"""The ranks of a run that `torchrun` started: a `Collective` over `torch.distributed`, which is imported only then.

Tensors on the CPU travel through shared memory if all ranks are on one machine, and else by gloo; those on a GPU by
nccl. What a peer sends is numbers, JSON, or tensors in a file that is read without running code.
"""

import importlib
import io
import itertools
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from gym_adapters.errors import UserError
from gym_adapters.text import first_line
from trainers.optim import shared_memory
from trainers.optim.interruptible import interruptible
from trainers.optim.launch import Launch
from trainers.optim.shared_memory import SharedMemory

JOINING_SECONDS = 300.0
"""The least time that a rank waits for the others to start."""
BEAT_SECONDS = 0.5
"""Time between two signs of life of a rank."""
GRACE_SECONDS = 3.0
"""Time that a rank whose call failed waits to learn why."""
LEAVING_SECONDS = 0.05
"""Time between two looks at which ranks are about to leave."""
MOST_NAMES = 5
"""The most ranks that a message names."""


_JOINED = itertools.count()
"""How often this process has joined the others; it may train several times."""


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
        self.timeout = timeout
        self.rank, self.size = launch.rank, launch.size
        self._distributed = distributed
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if gpus:
            torch.cuda.set_device(launch.local_rank % gpus)
        has_own_gpu = launch.on_machine <= gpus and distributed.is_nccl_available()  # which nccl needs
        limit, patience = timedelta(seconds=timeout), timedelta(seconds=max(timeout, JOINING_SECONDS))
        try:
            store, _, _ = interruptible(lambda: next(distributed.rendezvous("env://", timeout=patience)))
            # The store outlives a restart, and what is left in it names processes that are gone.
            place = f"bridge/{launch.restarts}/{launch.size}/{next(_JOINED)}"
            self._store = distributed.PrefixStore(place, store)
            self._store.set(f"here{self.rank}", launch.host)
            interruptible(lambda: self._store.wait([f"here{rank}" for rank in range(self.size)], patience))
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
                f"{os.environ['MASTER_PORT']} ({first_line(error)}); check the rendezvous endpoint, firewalls, and "
                "GLOO_SOCKET_IFNAME"
            ) from error
        self._calls, self._failed = 0, False
        self._shared: SharedMemory | None = None
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="signs of life", daemon=True)
        self._beating.start()
        self.hosts = [str(host) for host in self.gather_values(launch.host)]
        if launch.on_machine == self.size and shared_memory.is_possible():
            self._share_memory()

    def sum(self, values: Tensor) -> Tensor:
        """See `Collective.sum`."""
        shared = self._shared
        if shared is not None and values.device.type == "cpu" and values.is_contiguous():
            self._call(lambda: shared.sum(values.detach().numpy()))
        else:
            self._call(lambda: self._distributed.all_reduce(values))
        return values

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        """See `Collective.gather`."""
        own = np.ascontiguousarray(numbers, np.float64)
        found = np.empty((self.size, len(own)))
        shared = self._shared
        if shared is not None:
            self._call(lambda: shared.gather(own, found))
        else:
            rows = list(torch.from_numpy(found).unbind())
            self._call(lambda: self._distributed.all_gather(rows, torch.from_numpy(own)))
        return found

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

    def arrive(self, meeting: int) -> None:
        """See `Collective.arrive`."""
        self._call(lambda: self._store.add(f"meeting{meeting}", 1))
        if self.rank == 0:
            self._store.delete_key(f"meeting{meeting - 1}")  # all ranks have left that one

    def arrived(self, meeting: int) -> int:
        """See `Collective.arrived`."""
        found = [0]
        self._call(lambda: found.append(self._store.add(f"meeting{meeting}", 0)))
        return found[-1]

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
                deadline = time.monotonic() + GRACE_SECONDS
                # The store's own `wait` prints a warning if the time is over, as it may be while rank 0 still writes.
                while not self._store.check(done) and time.monotonic() < deadline:
                    time.sleep(LEAVING_SECONDS)
        with suppress(RuntimeError):
            self._distributed.destroy_process_group()

    def _share_memory(self) -> None:
        """Share memory with the other ranks, all of them on this machine, if every one of them can."""
        name = self.gather_values(shared_memory.new_name() if self.rank == 0 else None)[0]
        process = psutil.Process()
        self._processes = [
            (int(number), float(begun))
            for number, begun in self.gather_values([process.pid, process.create_time()])
        ]
        path, shared = shared_memory.place(str(name)), None
        with suppress(OSError):
            if self.rank == 0:
                shared_memory.fill(path, self.size)
        self.gather_values(None)  # the file is there, or never will be
        with suppress(OSError):
            shared = SharedMemory(path, self.rank, self.size, self._look_for_others)
        all_can = all(self.gather_values(shared is not None))
        if self.rank == 0:
            shared_memory.remove(path)
        self._shared = shared if all_can else None

    def _look_for_others(self, waited: float) -> None:
        """Called while this rank waits for another one in shared memory, with the seconds so far.

        Raises:
            RuntimeError: another rank has failed or is gone, or this one has waited too long.
        """
        if waited > self.timeout:
            raise RuntimeError("timed out")
        if self._store.compare_set("failure", "", ""):
            raise RuntimeError("another rank failed")
        for number, begun in self._processes:
            try:
                process = psutil.Process(number)
                is_there = process.create_time() == begun and process.status() != psutil.STATUS_ZOMBIE
            except psutil.NoSuchProcess:
                is_there = False
            if not is_there:
                raise RuntimeError("another rank is gone")

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
