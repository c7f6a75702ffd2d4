"""Odd numbers for every numeric key, in the training file, in --set and in options."""

import contextlib
import io
import math
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml
from damage_tools import refusal

from tests.faults.fault import Fault
from trainers.config import dump_settings, load_settings
from trainers.config.overrides import leaves
from trainers.training.arguments import parse

WORDS = (
    *("nan", ".nan", ".NaN", "inf", ".inf", "-.inf", "+.Inf", "1e400", "-1e400", "1e-400", "1e1000000000"),
    *(
        "-0",
        "-0.0",
        "0",
        "0x",
        "0x10",
        "0b1",
        "0o17",
        "010",
        "08",
        "1_000",
        "_1",
        "1__0",
        "1:30",
        "1:30.5",
        "190:20:30",
    ),
    *(
        "true",
        "false",
        "yes",
        "off",
        "null",
        "~",
        "''",
        '""',
        "' '",
        "[]",
        "[1]",
        "{}",
        "{a: 1}",
        "2020-01-02",
    ),
    *(
        "2020-99-99",
        "2020-01-02T03:04:05Z",
        "!!float nan",
        "!!int '3'",
        "!!binary aGk=",
        "!!set {a}",
        "!!str 5",
    ),
    *(
        "1,5",
        "1.5.2",
        "1e",
        "e1",
        "--1",
        "+5",
        "5 %",
        "1/3",
        "½",
        "٣",
        "１２",
        "∞",
        "1\u00a0000",
        "'1\\n'",
        "|",
        ">",
        "&a 1",
    ),
    *(
        "*a",
        "@",
        "`",
        "%",
        "9" * 400,
        "9" * 5000,
        "-" + "9" * 400,
        "0." + "0" * 400 + "1",
        "1" + "0" * 400 + ".5",
        "\ud800",
    ),
)
FEW = (".nan", "1e400", "true", "2020-99-99", "9" * 5000)
OPTIONS = (
    "--seed",
    "--base-port",
    "--num-envs",
    "--num-areas",
    "--max-steps",
    "--timeout-wait",
    "--time-scale",
    "--width",
)
KINDS = ("ppo", "a2c", "dqn")


@cache
def numeric_keys(kind: str) -> list[tuple[str, ...]]:
    """The path of every key of the training file that is a number by default, or null."""
    settings = load_settings({"behaviors": {"A": {"trainer_type": kind}}}).model_dump(mode="json")
    settings["environment_parameters"] = {"p": {"sampler_type": "uniform", "sampler_parameters": {"seed": 1}}}
    return [
        tuple(map(str, path))
        for path, value in leaves(settings)
        if (value is None or isinstance(value, int | float))
        and not isinstance(value, bool)
        and path[0] != "debug"
    ]


def _numbers(tree: Any) -> Iterator[float]:
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _numbers(value)
        if isinstance(value, float):
            yield value


def _accepted(kind: str, key: tuple[str, ...], source: Any, overrides: list[str]) -> None:
    settings = load_settings(source, overrides)
    assert all(map(math.isfinite, _numbers(settings.model_dump(mode="json")))), (key, settings)
    assert load_settings(dump_settings(settings)) == settings, "it is written otherwise than it was read"


def _in_the_file(word: str, folder: Path) -> None:
    for kind in KINDS:
        for key in numeric_keys(kind):
            tree: Any = yaml.safe_load(f"behaviors: {{A: {{trainer_type: {kind}}}}}")
            place = tree
            for part in key[:-1]:
                place = place.setdefault(part, {})
            place[key[-1]] = "WORD"
            path = folder / "file.yaml"
            path.write_text(
                yaml.safe_dump(tree).replace("WORD", word.encode("utf-8", "replace").decode()),
                encoding="utf-8",
            )
            refusal(partial(_accepted, kind, key, path, []), "file.yaml")


def _in_an_override(word: str, _: Path) -> None:
    for kind in KINDS:
        for key in numeric_keys(kind):
            refusal(
                partial(
                    _accepted,
                    kind,
                    key,
                    {"behaviors": {"A": {"trainer_type": kind}}},
                    [f"{'.'.join(key)}={word}"],
                ),
                key[0],
            )


def _in_an_option(word: str, _: Path) -> None:
    for option in OPTIONS:
        told, status = io.StringIO(), 0
        with contextlib.redirect_stderr(told):
            try:
                options = parse([f"{option}={word}"], "test").options
            except SystemExit as end:
                status = end.code
        if status:
            lines = [line for line in told.getvalue().splitlines() if "error: " in line]
            assert (status, len(lines)) == (2, 1), told.getvalue()
            assert option in lines[0]
        else:
            refusal(partial(load_settings, None, [], options))


def faults(whole: bool) -> Iterable[Fault]:
    """Three for each word: the file, --set, options; each tries every key."""
    places: dict[str, Callable[[str, Path], None]] = {
        "file": _in_the_file,
        "set": _in_an_override,
        "option": _in_an_option,
    }
    for word in WORDS:
        for name, attempt in places.items():
            if whole or (word in FEW and name != "file"):
                shown = word if len(word) < 25 else f"{word[:6]}... ({len(word)})"
                yield Fault(f"{name}: {shown!a}", partial(attempt, word))
