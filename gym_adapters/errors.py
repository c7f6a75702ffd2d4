"""Exceptions whose cause the user can fix."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gym_adapters.text import printable


class UserError(Exception):
    """Bad input, with a message of one line.

    The message names the file, key or value at fault, and says what was expected and what to do. Commands print
    it without a traceback and exit with status 2. It is defined in the lowest package, so that all three can use it.
    Names and values in it may come from anywhere: as text, it cannot control a terminal.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class EnvironmentLostError(UserError):
    """The environment is gone. What was learned from it is sound, so the run is saved."""


@contextmanager
def unread_named(path: Path) -> Iterator[None]:
    """Turns a failure to look at a file or folder into an error that names it.

    Raises:
        UserError: the file or folder cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path!s:.300}: cannot be read ({error.strerror or error}); check its name and its permissions"
        ) from error


@contextmanager
def refusal_named(path: Path) -> Iterator[None]:
    """Turns a failure to write a file or folder into an error that names it.

    Raises:
        UserError: the file or folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); make room or choose another place"
        ) from error
