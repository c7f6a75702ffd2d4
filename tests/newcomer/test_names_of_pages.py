"""Keys, options, functions and files that pages name are there: a name that was changed in the code alone is found."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("bridge", "gym_adapters", "trainers", "unity_configs", "docs/examples", "tests")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OF_OTHERS = {
    *("local_ratio", "my_module", "penalty_ppo", "Distance_hist", "NCCL_SOCKET_IFNAME"),
    *("env_kwargs", "n_envs", "--disable-pip", "--index-url", "--signal"),
}
"""Names of other programs, and of a reader's own files. A new one here is a name that nothing looks up."""


@cache
def known() -> frozenset[str]:
    """The words and options in the code, and the names of its files."""
    files = [
        path
        for folder in CODE
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".json", ".sh") and path != Path(__file__)
    ]
    files += [ROOT / "pyproject.toml", ROOT / "Makefile", *(ROOT / "docs").glob("*.py")]
    words = {path.stem for path in files}
    for path in files:
        words |= set(re.findall(r"--[a-z][a-z0-9-]*|\w+", path.read_text(encoding="utf-8")))
    return frozenset(words)


def named(page: Path) -> list[str]:
    """What stands between backquotes in the text of a page, and the lines of its training files."""
    text = page.read_text(encoding="utf-8")
    files = "".join(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    keys = re.findall(r"(\w+):", re.sub(r"#.*", "", files))
    return keys + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_names_between_backquotes_are_in_the_code(page: Path) -> None:
    if page.name == "from-stable-baselines3.md":  # test_page_examples.py looks its names up
        return
    words = {
        word for text in named(page) for word in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*|\w+_\w+", text)
    }
    assert sorted(words - known() - OF_OTHERS) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_between_backquotes_are_in_the_repository(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    paths = re.findall(
        r"(?<![\w./<-])(?!bridge/Unity-v0)(?:bridge|docs|gym_adapters|tests|trainers|unity_configs)/[\w./-]*\w",
        text,
    )
    assert [path for path in paths if not any(ROOT.glob(path + "*"))] == []


def test_numbers_of_things_are_those_that_are_there() -> None:
    """Where a page says in words how many there are."""
    words = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
    tasks = {
        re.sub(r"(-\d+M)?-[a-z0-9]+$", "", path.stem) for path in (ROOT / "docs" / "results").glob("*.json")
    }
    policies = list((ROOT / "docs" / "policies").iterdir())
    tutorials = list((ROOT / "docs" / "tutorials").glob("*.md"))
    alternatives = (ROOT / "docs" / "alternatives.md").read_text(encoding="utf-8")
    assert f"[{words[len(tasks)]} tasks](results.md)" in alternatives
    assert f"[{words[len(policies)]} policies](watching.md" in alternatives
    assert f"{words[len(tutorials) - 1]} more beside it" in PAGES[0].read_text(encoding="utf-8")
