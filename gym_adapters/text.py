"""Text from elsewhere, such as names and logs of a player, made fit for a terminal."""

import logging
import re
import sys
import unicodedata
from typing import TextIO

LONGEST_LINE = 2000
"""Letters of a line that a command prints."""
REASON = 300
"""Letters that an error of another package may have in the middle of a message."""

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours and movements of the cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links, the clipboard
    r"|\x1b[ -/]*[0-~]"
)
"""Control sequences. Source: ECMA-48, sections 5.4 and 5.6."""


def one_line(text: str, most: int = LONGEST_LINE) -> str:
    """Return a text as one line of at most `most` letters, which cannot control a terminal.

    Control sequences are dropped. Every other character that has no picture, such as a line break, a bell or a
    change of the writing direction, is written as an escape.
    """
    plain = "".join(map(_visible, _SEQUENCE.sub("", text[: 10 * most])))
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def printable(text: str) -> str:
    """Return a text whose lines are each as `one_line` returns them."""
    return "\n".join(one_line(line) for line in text.split("\n"))


def first_line(error: BaseException, typed: bool = False) -> str:
    """Return the first line of what an error says, for the middle of a message; its type if it says nothing.

    Args:
        error: The error.
        typed: Whether the error's type stands before the line.
    """
    name, text = type(error).__name__, str(error).strip()
    if not text:
        return name
    line = one_line(text.splitlines()[0], REASON)
    return f"{name}: {line}" if typed else line


def joined_lines(error: BaseException) -> str:
    """Return what an error says, with its lines joined to one."""
    return one_line(" ".join(str(error).split()), REASON)


def log_to_terminal() -> None:
    """Print log messages from INFO on to standard error."""
    handler = _OnStderr()
    handler.setFormatter(_PrintableFormatter("[%(levelname)s] %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)


def log_everything(*packages: str) -> None:
    """Print all log messages of packages too, and of every message the time and the line of code.

    Args:
        packages: their names. Other packages keep their level.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _OnStderr):
            layout = "%(asctime)s %(levelname)s [%(filename)s:%(lineno)d] %(message)s"
            handler.setFormatter(_PrintableFormatter(layout))
    for package in packages:
        logging.getLogger(package).setLevel(logging.DEBUG)


class _OnStderr(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at the moment, so that a live display can put the line above its bars."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _PrintableFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _visible(letter: str) -> str:
    if letter.isprintable():
        return letter
    return " " if letter == "\t" or unicodedata.category(letter) == "Zs" else ascii(letter)[1:-1]
