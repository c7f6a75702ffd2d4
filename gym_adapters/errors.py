"""Exceptions whose cause the user can fix."""

import logging
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, TypeVar

from gym_adapters.text import joined_lines, printable

logger = logging.getLogger(__name__)


class Closable(Protocol):
    """An environment, for `closed_after`."""

    def close(self) -> None:
        """Ends what the environment has begun."""


Closed = TypeVar("Closed", bound=Closable)


class UserError(Exception):
    """Bad input, with a message of one line.

    The message names the file, key or value at fault, and says what was expected and what to do. Commands print
    it without a traceback and exit with status 2. It is defined in the lowest package, so that all three can use it.
    Names and values in it may come from anywhere: as text, it cannot control a terminal.

    Attributes:
        told: Whether another process of the same run has told the user already.
    """

    told = False

    def __str__(self) -> str:
        return printable(super().__str__())


class EnvironmentLostError(UserError):
    """The environment is gone. What was learned from it is sound, so the run is saved."""


class NoModelError(UserError):
    """A network computes what an `.onnx` file for Unity cannot hold. The run goes on without one."""


@contextmanager
def place_named(place: object) -> Iterator[None]:
    """Begins the message of a `UserError` with the place that it is about.

    Raises:
        UserError: the block raised one.
    """
    try:
        yield
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


@contextmanager
def unread_named(path: Path) -> Iterator[None]:
    """Turns a failure to look at a file or folder into an error that names it.

    Raises:
        UserError: the file or folder cannot be read.
    """
    with _named(path, "read", "check its name and its permissions"):
        yield


@contextmanager
def refusal_named(path: Path) -> Iterator[None]:
    """Turns a failure to write a file or folder into an error that names it.

    Raises:
        UserError: the file or folder cannot be written.
    """
    with _named(path, "written", "make room or choose another place"):
        yield


@contextmanager
def _named(path: Path, done: str, advice: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path!s:.300}: cannot be {done} ({error.strerror or error}); {advice}") from error


ENVIRONMENT = "It was raised by the environment."
"""Note on an exception that the environment raised."""


class EnvironmentCall:
    """Gives exceptions of a call to an environment the note `ENVIRONMENT`: `with environment_called():`.

    Every step has several of these blocks, which is why it is no generator.
    """

    def __enter__(self) -> None:
        """Begins the call."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Ends the call.

        Raises:
            RuntimeError: The environment called `sys.exit`, which would end the command as if it had succeeded.
        """
        if isinstance(error, SystemExit):
            failure = RuntimeError(f"the environment called sys.exit({error.code!r})")
            failure.add_note(ENVIRONMENT)
            raise failure from error
        if error is not None:  # a library in another language may raise an exception of its own kind
            error.add_note(ENVIRONMENT)


_CALL = EnvironmentCall()


def environment_called() -> EnvironmentCall:
    """Returns the block in which exceptions are the environment's; see `EnvironmentCall`."""
    return _CALL


def close_all(environments: Iterable[Any]) -> None:
    """Closes every environment, even if one fails to, and raises the last failure."""
    with ExitStack() as stack:
        for env in environments:
            stack.callback(env.close)


def close_reported(close: Callable[[], None]) -> None:
    """Closes an environment that is no longer needed. What it raises then is logged, since nothing is lost by it."""
    try:
        close()
    except (Exception, SystemExit) as error:
        logger.warning("Closing the environment failed with %s.", raised(error))


@contextmanager
def closed_after(env: Closed) -> Iterator[Closed]:
    """Yields an environment, and closes it when the block ends. See `close_reported`."""
    try:
        yield env
    finally:
        close_reported(env.close)


def from_environment(error: BaseException) -> bool:
    """Whether an environment raised an exception."""
    return ENVIRONMENT in getattr(error, "__notes__", ())


ADDED: dict[str, list[str]] = {}
"""What was loaded of other packages, by their outermost module, such as `{"awr_trainer": ["trainer_type awr"]}`."""

_OWN = [str(Path(__file__).parents[1] / name) for name in ("bridge", "gym_adapters", "trainers")]
_PYTHON = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]


def raised(error: BaseException) -> str:
    """Returns an exception in one line, with the place in the code that raised it.

    If there is code of the user's own, or of a package that adds something, on the way to that place, it is the last
    line there: an exception in a library has its cause where the library was called.
    """
    places = [
        (frame.f_code.co_filename, line, _outermost_module(frame) in ADDED)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    near = [place for place in places if place[2] or not _is_installed(place[0])]
    file, line, _ = (near or places or [("", 0, False)])[-1]
    where = f" ({file}, line {line})" if file else ""
    return f"{type(error).__name__}: {joined_lines(error)}{where}"


def _is_installed(file: str) -> bool:
    """Whether a file is Python's own, of this project, or of an installed package."""
    folders = Path(file).parts
    return (
        file.startswith(("<frozen ", *(f"{place}{os.sep}" for place in (*_OWN, *_PYTHON))))
        or "site-packages" in folders
        or "dist-packages" in folders
    )


def _outermost_module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def from_added_code(error: BaseException) -> list[str]:
    """What the package adds whose code raised an exception, such as `trainer_type awr`; empty if none did."""
    names = [_outermost_module(frame) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next((ADDED[name] for name in reversed(names) if name in ADDED), [])


def cause_of(error: BaseException) -> str | None:
    """Says in one line what raised an exception: the environment, or code that a package adds. None: neither did."""
    if from_environment(error):
        return f"the environment raised {raised(error)}"
    if isinstance(error, Exception) and (added := from_added_code(error)):
        return f"the code of {' and '.join(added)} raised {raised(error)}"
    return None


def not_made(env_id: str, options: Mapping[str, Any], error: BaseException) -> UserError:
    """Returns the error about an environment that cannot be made with these options."""
    if isinstance(error, TypeError) and options:
        return UserError(f"environment {env_id!r} refuses its options {options}: {error}")
    is_lacking = isinstance(error, TypeError) and "missing" in str(error)
    advice = "give it what it needs in env_settings.env_options" if is_lacking else "mend its code"
    return UserError(f"environment {env_id!r} cannot be made: {raised(error)}; {advice}")


def not_imported(env_id: str, module: str, error: BaseException) -> UserError:
    """Returns the error about an environment whose module fails when it is imported."""
    return UserError(
        f"environment {env_id!r}: importing {module} failed with {raised(error)}; mend that module"
    )


def exit_status(error: BaseException, ending: str = "") -> int:
    """Says in one line on standard error why a command ends, and returns its exit status.

    Args:
        error: What was raised.
        ending: Follows the line.

    Returns:
        130 after Ctrl-C, else 2.

    Raises:
        BaseException: The error itself, if nothing that the user gives has caused it.
    """
    if isinstance(error, KeyboardInterrupt):
        line, status = f"interrupted{ending}", 130
    elif isinstance(error, UserError):
        line, status = f"error: {error}{ending}", 2
    elif (cause := cause_of(error)) is not None:
        line, status = f"error: {cause}{ending}", 2
        logger.debug("Where it was raised:", exc_info=error)
    elif isinstance(error, SystemExit):  # as if the command had done what was asked for
        line, status = (
            f"error: the code that it runs called sys.exit({error.code!r}): {raised(error)}{ending}",
            2,
        )
    else:
        if ADDED:
            error.add_note(
                f"This process uses {', '.join(chain(*ADDED.values()))}, which other packages add."
            )
        raise error
    if not getattr(error, "told", False):
        sys.stderr.write(f"{line}\n")
    return status
