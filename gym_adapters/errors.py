"""Exceptions whose cause the user can fix."""

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gym_adapters.text import printable

logger = logging.getLogger(__name__)


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


ENVIRONMENT = "It was raised by the environment."
"""Note on an exception that the environment raised."""


@contextmanager
def environment_called() -> Iterator[None]:
    """Gives exceptions of a call to an environment the note `ENVIRONMENT`.

    Raises:
        RuntimeError: The environment called `sys.exit`, which would end the command as if it had succeeded.
    """
    try:
        yield
    except SystemExit as error:
        failure = RuntimeError(f"the environment called sys.exit({error.code!r})")
        failure.add_note(ENVIRONMENT)
        raise failure from error
    except BaseException as error:  # a library in another language may raise its own
        error.add_note(ENVIRONMENT)
        raise


def close_reported(close: Callable[[], None]) -> None:
    """Closes an environment that is no longer needed. What it raises then is logged, since nothing is lost by it."""
    try:
        close()
    except (Exception, SystemExit) as error:
        logger.warning("Closing the environment failed with %s.", raised(error))


def from_environment(error: BaseException) -> bool:
    """Whether an environment raised an exception."""
    return ENVIRONMENT in getattr(error, "__notes__", ())


def raised(error: BaseException) -> str:
    """Returns an exception in one line, with the place in the code that raised it."""
    text = " ".join(str(error).split())[:300]
    places = traceback.extract_tb(error.__traceback__)
    where = f" ({places[-1].filename}, line {places[-1].lineno})" if places else ""
    return f"{type(error).__name__}: {text}{where}"
