"""Version numbers with the interface of `distutils.version`, limited to what `mlagents_envs` uses."""

import functools
import re
from typing import Any, Self


@functools.total_ordering
class LooseVersion:
    """A version of any form, compared part by part.

    Attributes:
        vstring: The text it was made from.
        version: Its parts; numeric parts are integers.
    """

    version: Any

    def __init__(self, vstring: str) -> None:
        self.vstring = vstring
        self.version = [
            int(part) if part.isdigit() else part for part in re.findall(r"\d+|[a-z]+", vstring.lower())
        ]

    def __str__(self) -> str:
        return self.vstring

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.vstring!r})"

    def __eq__(self, other: object) -> bool:
        return self._key() == self._coerce(other)._key()

    def __lt__(self, other: object) -> bool:
        return bool(self._key() < self._coerce(other)._key())

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> Any:
        return tuple((isinstance(part, int), part) for part in self.version)

    def _coerce(self, other: object) -> Self:
        return other if isinstance(other, type(self)) else type(self)(str(other))


class StrictVersion(LooseVersion):
    """Two or three numbers and an optional pre-release, such as 1.5, 1.5.0 or 1.5.0b2.

    Attributes:
        version: The three numbers.
        prerelease: Its letter and number, or None.
    """

    version: tuple[int, int, int]

    def __init__(self, vstring: str) -> None:
        match = re.fullmatch(r"(\d+)\.(\d+)(?:\.(\d+))?(?:([ab])(\d+))?", vstring)
        if match is None:
            raise ValueError(f"invalid version number {vstring!r}")
        major, minor, patch, letter, number = match.groups()
        self.vstring = vstring
        self.version = (int(major), int(minor), int(patch or 0))
        self.prerelease = (letter, int(number)) if letter else None

    def _key(self) -> Any:
        return self.version, self.prerelease is None, self.prerelease or ()
