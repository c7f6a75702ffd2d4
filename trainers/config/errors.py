"""What is reported of validation errors."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from trainers.config.base import NO_FACTORY, PathText, detail_text

KeyPath = tuple[str | int, ...]


def problems(error: ValidationError) -> list[tuple[KeyPath, str]]:
    """Return the key path and the message of each problem."""
    details = [detail for detail in error.errors() if detail["type"] != NO_FACTORY]
    return [(tuple(detail["loc"]), detail_text(detail)) for detail in details]


def option_reader(kind: Any) -> Callable[[str], Any]:
    """Return argparse's ``type`` for an option that is read as the settings read a key.

    Args:
        kind: The type of the key, such as ``Count``.
    """

    def read(text: str) -> Any:
        try:
            return TypeAdapter(kind).validate_python(text)
        except ValidationError as error:
            raise ArgumentTypeError(problems(error)[0][1]) from None

    return read


def path_option(text: str) -> Path:
    """Return a path, as argparse's ``type``. One that no system can open is refused."""
    return Path(option_reader(PathText)(text))


def listed(mistakes: list[str]) -> str:
    """Return one mistake as it is, and several as a list with a line for each."""
    if len(mistakes) == 1:
        return mistakes[0]
    more = f"\n  and {len(mistakes) - MOST} more" if len(mistakes) > MOST else ""
    return f"{len(mistakes)} mistakes:" + "".join(f"\n  {line}" for line in mistakes[:MOST]) + more


MOST = 20
"""Mistakes that are listed."""
