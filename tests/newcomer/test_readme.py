"""README's commands can be pasted one after the other, in one folder, with no step between."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
TARGETS = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_has_the_one_prefix_and_names_what_is_there(line: str) -> None:
    if line.startswith("make "):
        assert line.split()[1] in TARGETS
    elif line != "python3 -m venv .venv":
        assert line.startswith(".venv/bin/python -m ")
        module = line.split()[2]
        assert module == "pip" or importlib.util.find_spec(module) is not None


def test_no_command_in_the_text_lacks_the_prefix() -> None:
    assert not re.findall(r"(?<!\.venv/bin/)python3? -m (?!venv )\S+", README)
    assert not re.findall(r"(?<!-m )pip install", README)


def test_tools_of_maintainers_are_not_in_it() -> None:
    assert not re.findall(r"trainers\.(keep|gallery|benchmark)|make gallery", README)
