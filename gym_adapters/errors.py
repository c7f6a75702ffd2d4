"""The exceptions that mean: the user can fix this."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Bad input, told in one line.

    The message names the file, key or value at fault, what was expected and what to do. Command lines print
    it without a traceback and exit with status 2. It lives in the lowest package so that all three share it.
    """


class EnvironmentLostError(UserError):
    """The environment is gone, through no fault of what was learned from it: a run that ends with it is saved."""


@contextmanager
def refusal_named(path: Path) -> Iterator[None]:
    """Around the writing of a file or folder that somebody asked for.

    Raises:
        UserError: the system refuses it.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); make room or choose another place"
        ) from error
