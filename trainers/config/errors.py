"""The one line that reports a validation error."""

import pathlib
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from trainers.config.base import PathText, show

_EXPECTED = {
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "a map of keys and values",
    "model_type": "a map of keys and values",
    "tuple_type": "a list",
    "string_too_short": "text that is not empty",
    "too_short": "more values",
    "too_long": "fewer values",
}

Path = tuple[str | int, ...]


def first_problem(error: ValidationError) -> tuple[Path, str, int]:
    """Return the key path and the message of the first problem, and the number of further problems."""
    details = [detail for detail in error.errors() if detail["type"] != "default_factory_not_called"]
    first = details[0]
    return tuple(first["loc"]), _text(first), len(details) - 1


def option_reader(kind: Any) -> Callable[[str], Any]:
    """Return argparse's ``type`` for an option that is read as the settings read a key.

    Args:
        kind: The type of the key, such as ``Count``.
    """

    def read(text: str) -> Any:
        try:
            return TypeAdapter(kind).validate_python(text)
        except ValidationError as error:
            raise ArgumentTypeError(first_problem(error)[1]) from None

    return read


def path_option(text: str) -> pathlib.Path:
    """Return a path, as argparse's ``type``. One that no system can open is refused."""
    return pathlib.Path(option_reader(PathText)(text))


def _text(detail: Mapping[str, Any]) -> str:
    kind, got = detail["type"], show(detail["input"])
    if kind == "missing":
        return (
            "this key is needed" if isinstance(detail["loc"][-1], str) else f"expected more values, got {got}"
        )
    if kind == "literal_error":
        return f"expected {detail['ctx']['expected']}, got {got}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, got {got}"
    return str(detail["msg"])
