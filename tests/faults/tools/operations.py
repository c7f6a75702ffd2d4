"""What a training does to the files of its run, operation by operation: to list, to be stopped at, to refuse.

An operation is a line: what is done, and the name of the file, for example `os.rename .checkpoint.pt.draft`. A file
that is written atomically has two of the name `written`: when half of it is on the disk, and when all of it is.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from trainers.records.checkpoint import DRAFT

CHANGES = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate")
"""Python's audit events for operations that may change files; `os.replace` is a rename."""

STATUS = 9
"""The exit status of a process that was stopped at an operation."""


def listing(record: Path) -> None:
    """Append each operation from now on to a file."""
    stream = record.open("w", encoding="utf-8")

    def note(operation: str) -> None:
        stream.write(f"{operation}\n")
        stream.flush()

    _before_each(note)


def stopping_at(number: int) -> None:
    """End the process, without any clean-up, before the operation of this number from now on."""
    done = 0

    def count(_: str) -> None:
        nonlocal done
        if done == number:
            os._exit(STATUS)
        done += 1

    _before_each(count)


def refusing(error: int, *words: str) -> None:
    """Have the system refuse each operation with one of these words in its line, with this error number."""

    def refuse(operation: str) -> None:
        if any(word in operation for word in words):
            raise OSError(error, os.strerror(error), operation)

    _before_each(refuse)


def _before_each(act: Callable[[str], None]) -> None:
    """Call `act` before each operation on the files in `runs`."""
    place, fsync, name = str(Path("runs").absolute()), os.fsync, ""

    def hook(event: str, arguments: tuple) -> None:
        nonlocal name
        if event in CHANGES and not (event == "open" and not _writes(arguments[2])):
            path = "" if isinstance(arguments[0], int) else os.fsdecode(arguments[0])
            if os.path.abspath(path).startswith(place):  # noqa: PTH100  # no object, as it is called very often
                name = _plain(Path(path).name)
                act(f"{event} {name}")

    def written(file: int) -> None:
        size = os.fstat(file).st_size
        os.lseek(file, 0, os.SEEK_SET)
        content = os.read(file, size)
        os.ftruncate(file, size // 2)
        act(f"written {name}")
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, content)
        act(f"written {name}")
        fsync(file)

    sys.addaudithook(hook)
    os.fsync = written


def _writes(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _plain(name: str) -> str:
    """A file's name, without the part that differs from run to run."""
    if name.endswith(DRAFT):
        return name.rsplit(".", 2)[0] + DRAFT
    return name.partition("tfevents")[0] or name
