"""Files that are written atomically: a process that is killed leaves the old one or the new one."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

DRAFT = ".draft"
"""Ending of a file that is being written; its name begins with a dot."""


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a temporary file beside `path`, then rename it to `path`. The user's umask says who may read it.

    A process that is killed at any moment leaves the old file or the new one.

    Args:
        path: the file; its folder is made if need be.
        write: writes the content into an open binary file.

    Raises:
        OSError: the system refuses; the old file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:60]}.{secrets.token_hex(8)}{DRAFT}")
    try:
        with temporary.open("x+b") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Atomically write UTF-8 text."""
    write_atomically(path, lambda stream: stream.write(text.encode()))
