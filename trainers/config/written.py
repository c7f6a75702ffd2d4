"""Numbers that remember how they are written, so that a name such as 007 or 1.10 is not 7 or 1.1."""

from collections.abc import Mapping
from typing import Any


class _WrittenInt(int):
    text: str

    def __str__(self) -> str:
        return self.text


class _WrittenFloat(float):
    text: str

    def __str__(self) -> str:
        return self.text


def written(value: int | float, text: str) -> int | float:
    """Return a number whose `str` is a text, such as 007. Settings that are text take that."""
    if str(value) == text:
        return value
    number = _WrittenInt(value) if isinstance(value, int) else _WrittenFloat(value)
    number.text = text
    return number


def plain(value: Any) -> Any:
    """Return maps, lists and numbers with plain numbers in them."""
    if isinstance(value, _WrittenInt | _WrittenFloat):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value
