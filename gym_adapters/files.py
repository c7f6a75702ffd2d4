"""Writes files so that each is the old one or the new one, never half of it."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

DRAFT = ".draft"
"""Ending of a file that is being written; its name begins with a dot."""


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes a temporary file beside `path`, then renames it to `path`. The user's umask says who may read it.

    A process that is killed at any moment leaves the old file or the new one. Of a link, the file that it names is
    replaced. What is no file, such as `/dev/stdout`, is written to.

    Args:
        path: The file; its folder is made if need be.
        write: Writes the content into an open binary file.

    Raises:
        OSError: The system refuses; the old file stays.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as stream:
            write(stream)
        return
    if path.is_symlink():
        path = path.resolve()
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
    """Atomically writes UTF-8 text."""
    write_atomically(path, lambda stream: stream.write(text.encode()))
