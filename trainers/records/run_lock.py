"""One process writes a run at a time."""

import json
import os
import socket
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from gym_adapters.errors import UserError

TRIES = 100
"""How often a lock is tried whose folder is deleted meanwhile."""

LOCKS = ".locks"
"""Beside the runs: a lock for each, which ends with the process that holds it, and a note of who that is."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder for the block. Where the file system has no locks, go on without one.

    Raises:
        UserError: another process, or another training of this one, holds it.
    """
    name = unicodedata.normalize("NFC", folder.name).casefold()
    place = folder.parent / LOCKS
    held, owner = place / f"{name}.lock", place / f"{name}.json"
    lock = FileLock(held)
    try:
        _acquire(lock, place)
    except Timeout:
        raise UserError(
            f"{folder}: {_named(owner)} is writing this run; wait until it ends, or choose another --run-id"
        ) from None
    except (OSError, NotImplementedError):
        yield
        return
    try:
        with suppress(OSError):
            owner.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8")
        yield
    finally:
        for path in (owner, held):  # on Windows the lock cannot be deleted before it is released
            with suppress(OSError):
                path.unlink(missing_ok=True)
        lock.release()
        if os.name == "nt":  # elsewhere it may be another process's lock by now
            with suppress(OSError):
                held.unlink(missing_ok=True)
        with suppress(OSError):
            place.rmdir()  # works on an empty folder only


def _acquire(lock: FileLock, place: Path) -> None:
    """Acquire a lock at once or not at all; its folder may be deleted, being empty, just after it was made."""
    for attempt in range(1, TRIES + 1):
        try:
            place.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
            return
        except (FileNotFoundError, FileExistsError):  # mkdir says so of a folder that was there and is gone
            if attempt == TRIES:
                raise


def _named(owner: Path) -> str:
    """Who holds a lock, as far as the note tells."""
    try:
        note = json.loads(owner.read_text(encoding="utf-8"))
        return f"process {int(note['pid'])} on {str(note['host'])[:64]!r}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
