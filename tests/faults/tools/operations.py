"""What a training does to the files of its run, operation by operation: to list, to be stopped at, to refuse.

An operation is a line: what is done, and the name of the file, for example `os.rename .checkpoint.pt.draft`. A file
that is written atomically has two of the name `written`: when half of it is on the disk, and when all of it is.
"""

import itertools
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from gym_adapters.files import DRAFT

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
    numbers = itertools.count()

    def count(_: str) -> None:
        if next(numbers) == number:
            os._exit(STATUS)

    _before_each(count)


def deleting_at(number: int) -> None:
    """Delete the run's folder before the operation of this number from now on."""
    numbers = itertools.count()

    def count(_: str) -> None:
        if next(numbers) == number:
            shutil.rmtree(Path("runs", "run"), ignore_errors=True)

    _before_each(count)


def refusing(error: int, *words: str, skip: int = 0, times: int = sys.maxsize, place: str = "runs") -> None:
    """Have the system refuse operations.

    Args:
        error: the error's number.
        words: an operation with one of them in its line is refused, unless it is a removal, which needs no room.
        skip: so many operations come first, of whatever kind.
        times: after so many refusals there are no more.
        place: the folder of the files.
    """
    seen, refused = itertools.count(), itertools.count()

    def refuse(operation: str) -> None:
        wanted = any(word in operation for word in words) and not operation.startswith("os.remove")
        if next(seen) >= skip and wanted and next(refused) < times:
            raise OSError(error, os.strerror(error), operation)

    _before_each(refuse, place)


def _before_each(act: Callable[[str], None], folder: str = "runs") -> None:
    """Call `act` before each operation on the files in a folder."""
    place, fsync, name = str(Path(folder).absolute()), os.fsync, ""

    def hook(event: str, arguments: tuple) -> None:
        nonlocal name
        if event in CHANGES and not (event == "open" and not _writes(arguments[2])):
            path = "" if isinstance(arguments[0], int) else os.fsdecode(arguments[0])
            if os.path.abspath(path).startswith(place):  # noqa: PTH100  # no object, as it is called very often
                name = _plain(Path(path).name)
                act(f"{event} {name}")

    def written(file: int) -> None:
        if not name:
            return fsync(file)
        size = os.fstat(file).st_size
        os.lseek(file, 0, os.SEEK_SET)
        content = os.read(file, size)
        os.ftruncate(file, size // 2)
        act(f"written {name}")
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, content)
        act(f"written {name}")
        return fsync(file)

    sys.addaudithook(hook)
    os.fsync = written


def _writes(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _plain(name: str) -> str:
    """A file's name, without the part that differs from run to run."""
    if name.endswith(DRAFT):
        return name.rsplit(".", 2)[0] + DRAFT
    return name.partition("tfevents")[0] or name
