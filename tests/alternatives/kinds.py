"""The kinds of evidence for a cell of docs/alternatives.md: each says what it rests on, and what of it is missing."""

import contextlib
import io
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from trainers.commands import main

ROOT = Path(__file__).parents[2]
INFORMATION = ".dist-info/"
"""In the path of a file that describes a package, and is none of its code."""

Packages = Mapping[str, Mapping[str, str]]
"""By name, the texts of a package's files by path."""


class Evidence(Protocol):
    """What a cell rests on. As a `str`, it is what a reader can look at or run.

    Attributes:
        known: what stands before it if nothing is missing: "ok"; "page" for what a reader has to look at; "test" for
            what `make test` runs.
    """

    known: ClassVar[str]

    def missing(self, packages: Packages) -> list[str]:
        """What was expected and is not so."""
        ...


class Found:
    """Texts in a file of a package.

    Args:
        package: its name on PyPI.
        file: how the file's path ends; METADATA is what the package says of itself.
        texts: what stands there.
    """

    known: ClassVar = "ok"

    def __init__(self, package: str, file: str, *texts: str) -> None:
        self.package, self.file, self.texts = package, file, texts

    def __str__(self) -> str:
        return f"{self.package}, {self.file} -> {'; '.join(map(str.strip, self.texts))}"

    def missing(self, packages: Packages) -> list[str]:
        """The texts that do not stand there."""
        files = packages[self.package].items()
        content = [text for path, text in files if f"/{path}".endswith(f"/{self.file}")]
        return [text for text in self.texts if not any(text in each for each in content)]


class OnlyIn:
    """A text, in upper or lower case, that stands in one file of a package's code and in no other."""

    known: ClassVar = "ok"

    def __init__(self, package: str, file: str, text: str) -> None:
        self.package, self.file, self.text = package, file, text

    def __str__(self) -> str:
        return f"{self.package}, {self.file} and no other file -> {self.text}"

    def missing(self, packages: Packages) -> list[str]:
        """Where the text stands, unless that is the file."""
        files = _files_with(self.text, packages[self.package])
        return [] if files == [self.file] else [f"{self.text} stands in {', '.join(files) or 'no file'}"]


class Nowhere:
    """Texts, in upper or lower case, that stand in no file of the code of some packages."""

    known: ClassVar = "ok"

    def __init__(self, packages: tuple[str, ...], *texts: str) -> None:
        self.packages, self.texts = packages, texts

    def __str__(self) -> str:
        return f"{', '.join(self.packages)}, in no file -> {'; '.join(self.texts)}"

    def missing(self, packages: Packages) -> list[str]:
        """Where a text stands nevertheless."""
        return [
            f"{text} stands in {package}, {file}"
            for package in self.packages
            for text in self.texts
            for file in _files_with(text, packages[package])
        ]


@dataclass(frozen=True)
class Page:
    """A page that says what no package shows. Nothing fetches it."""

    known: ClassVar = "page"
    address: str

    def __str__(self) -> str:
        return self.address

    def missing(self, packages: Packages) -> list[str]:
        """Nothing: a reader looks."""
        return []


class Run:
    """Texts in what a command of this project prints, whatever the width of its lines.

    Args:
        command: the arguments of the installed command `bridge`.
        texts: what it prints.
    """

    known: ClassVar = "ok"

    def __init__(self, command: str, *texts: str) -> None:
        self.command, self.texts = command, texts

    def __str__(self) -> str:
        return f".venv/bin/bridge {self.command} -> {'; '.join(self.texts)}"

    def missing(self, packages: Packages) -> list[str]:
        """The texts that it does not print."""
        said = io.StringIO()
        with (
            contextlib.chdir(ROOT),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            contextlib.suppress(SystemExit),  # --help ends so
        ):
            main(shlex.split(self.command))
        printed = " ".join(said.getvalue().split())
        return [text for text in self.texts if text not in printed]


@dataclass(frozen=True)
class ByTest:
    """A test of this project that shows it. It is only looked for: `make test` runs it.

    Attributes:
        file: its file, below tests/.
        name: its function.
    """

    known: ClassVar = "test"
    file: str
    name: str

    def __str__(self) -> str:
        return f".venv/bin/python -m pytest tests/{self.file}::{self.name}"

    def missing(self, packages: Packages) -> list[str]:
        """The test, if it is not there."""
        path = ROOT / "tests" / self.file
        there = path.is_file() and re.search(
            rf"^def {self.name}\(", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        return [] if there else [self.name]


@dataclass(frozen=True)
class Here:
    """A text in a file of this repository."""

    known: ClassVar = "ok"
    file: str
    text: str

    def __str__(self) -> str:
        return f"{self.file} -> {self.text}"

    def missing(self, packages: Packages) -> list[str]:
        """The text, if it does not stand there."""
        return [] if self.text in (ROOT / self.file).read_text(encoding="utf-8") else [self.text]


def _files_with(text: str, files: Mapping[str, str]) -> list[str]:
    lower = text.lower()
    return [path for path, content in files.items() if INFORMATION not in path and lower in content.lower()]
