"""What is reported of validation errors."""

from pydantic import ValidationError

from trainers.config.base import NO_FACTORY, detail_text

KeyPath = tuple[str | int, ...]
MOST = 20
"""Mistakes that are listed."""


def problems(error: ValidationError) -> list[tuple[KeyPath, str]]:
    """Return the key path and the message of each problem."""
    details = [detail for detail in error.errors() if detail["type"] != NO_FACTORY]
    return [(tuple(detail["loc"]), detail_text(detail)) for detail in details]


def listed(mistakes: list[str]) -> str:
    """Return one mistake as it is, and several as a list with a line for each."""
    if len(mistakes) == 1:
        return mistakes[0]
    more = f"\n  and {len(mistakes) - MOST} more" if len(mistakes) > MOST else ""
    return f"{len(mistakes)} mistakes:" + "".join(f"\n  {line}" for line in mistakes[:MOST]) + more
