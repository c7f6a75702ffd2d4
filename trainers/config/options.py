"""Options of the commands that are read as the settings read a key."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from trainers.config.base import PathText
from trainers.config.errors import problems


def option_reader(kind: Any) -> Callable[[str], Any]:
    """Return argparse's ``type`` for an option that is read as the settings read a key.

    Args:
        kind: The type of the key, such as ``Count``.
    """

    def read(text: str) -> Any:
        try:
            return TypeAdapter(kind).validate_python(text)
        except ValidationError as error:
            raise argparse.ArgumentTypeError(problems(error)[0][1]) from None

    return read


def path_option(text: str) -> Path:
    """Return a path, as argparse's ``type``. One that no system can open is refused."""
    return Path(option_reader(PathText)(text))


def add_overrides(parser: argparse._ActionsContainer, description: str) -> None:
    """Add the option ``--set``, which may be repeated. The parsed arguments have its texts as ``overrides``."""
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE", help=description
    )
