"""What the pages show is there: programs, options and files; and README's example of Python runs as printed."""

import contextlib
import importlib
import importlib.util
import io
import re
import shlex
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from trainers.commands import PROGRAMS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(page: Path) -> list[str]:
    """The lines of its shell blocks, and what stands in its text between single backquotes, that start a module."""
    text = page.read_text(encoding="utf-8")
    shell = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ").splitlines()
    quoted = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    lines = [line.partition("  #")[0].strip() for line in shell if " -m " in line]
    return lines + [line for line in quoted if re.match(r"(\.venv/bin/)?python3? -m \S", line)]


COMMANDS = [(page.name, line) for page in PAGES for line in commands(page)]
MAINS = {
    "trainers": PROGRAMS["train"].module,
    "bridge.onnx_export": PROGRAMS["export"].module,
    **{f"bridge.{name}": PROGRAMS[name].module for name in ("doctor", "player", "demonstrations")},
    **{f"trainers.{name}": program.module for name, program in PROGRAMS.items()},
}


@cache
def help_of(module: str) -> str:
    """What a program's --help says."""
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        importlib.import_module(MAINS[module]).main(["--help"])
    return said.getvalue()


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_of_a_page_names_a_program_its_options_and_files_that_are_there(
    page: str, line: str
) -> None:
    words = shlex.split(line)
    place = max(
        index for index, word in enumerate(words) if word == "-m"
    )  # torch.distributed.run has one before
    module, arguments = words[place + 1], words[place + 2 :]
    assert module in ("pip", "venv") or importlib.util.find_spec(module) is not None
    if module in MAINS:
        for option in [word.partition("=")[0] for word in arguments if word.startswith("--")]:
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", help_of(module)), f"{page}: {option}"
    for word in arguments:
        if word.startswith(("unity_configs/", "docs/")):
            assert (ROOT / word).exists(), f"{page}: {word}"


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_of_a_page_works_in_every_shell(page: str, line: str) -> None:
    """Not every shell knows the environment; zsh expands brackets and stars; Windows' cmd keeps single quotes."""
    if page not in ("experiments.md", "decisions.md"):
        assert not re.search(r"(?<!\S)python3? -m (?!venv )", line)
        assert "'" not in line
        assert not set(re.sub(r'"[^"]*"', "", line)) & set("[]*?{}")


def test_the_example_of_python_runs_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGES[0].read_text(encoding="utf-8"), re.DOTALL)
    assert example.count("100_000") == 1
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(example.replace("100_000", "500"), names)
    action = np.asarray(names["action"])
    assert action.shape == (1,)
    assert abs(action[0]) <= 2
