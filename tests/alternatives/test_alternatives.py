"""The table of docs/alternatives.md has evidence for every cell, and what is not so is found out."""

import zipfile
from pathlib import Path

import pytest

from tests.alternatives import __main__ as command
from tests.alternatives.evidence import EVIDENCE, HERE
from tests.alternatives.kinds import ByTest, Evidence, Found, Here, Nowhere, OnlyIn, Run
from tests.alternatives.packages import downloaded

CELLS = command.table(command.PAGE.read_text(encoding="utf-8"))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder with a package of two files, which need not be downloaded."""
    with zipfile.ZipFile(tmp_path / "small_peer-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("small_peer/ppo.py", "class PPO:\n    masks = None\n")
        wheel.writestr("small_peer/a2c.py", "class A2C:\n    pass\n")
        wheel.writestr("small_peer-1.0.dist-info/METADATA", "License: MIT\n\nNo demonstrations.\n")
        wheel.writestr("small_peer-1.0.dist-info/RECORD", "small_peer/ppo.py,,\n")
    return tmp_path


def test_page_and_evidence_speak_of_the_same_cells() -> None:
    assert len(CELLS) > 15
    assert command.disagreements(CELLS, EVIDENCE) == []


def test_a_cell_without_evidence_and_evidence_without_a_cell_are_named() -> None:
    cells = command.table(
        "Text\n| | here | peer 1.0 |\n|---|---|---|\n| masks | all | no |\n| memory | all | no |\n"
    )
    test: Evidence = Here("pyproject.toml", "license")
    evidence = {
        "masks": {"here": [test], "peer 1.0": []},
        "memory": {"here": [test], "peer 1.0": [test], "peer 2.0": [test]},
    }
    assert command.disagreements(cells, evidence) == [
        "masks, peer 1.0: no evidence",
        "memory, peer 2.0: no such cell in the page",
    ]


@pytest.mark.parametrize(
    ("evidence", "missing"),
    [
        (Found("small-peer", "ppo.py", "class PPO", "masks"), []),
        (Found("small-peer", "METADATA", "License: MIT\n"), []),
        (Found("small-peer", "a2c.py", "class A2C", "masks"), ["masks"]),
        (Found("small-peer", "po.py", "class PPO"), ["class PPO"]),  # the name of a file is whole
        (OnlyIn("small-peer", "small_peer/ppo.py", "Masks"), []),
        (OnlyIn("small-peer", "small_peer/a2c.py", "masks"), ["masks stands in small_peer/ppo.py"]),
        (OnlyIn("small-peer", "small_peer/a2c.py", "lstm"), ["lstm stands in no file"]),
        (Nowhere(("small-peer",), "demonstration", "RECORD"), []),  # what describes a package is not its code
        (Nowhere(("small-peer",), "lstm", "ppo"), ["ppo stands in small-peer, small_peer/ppo.py"]),
        (Run("config --help", "a training file and print it"), []),
        (Run("config no.yaml", "no.yaml", "all is well"), ["all is well"]),
        (ByTest("alternatives/test_alternatives.py", "test_page_and_evidence_speak_of_the_same_cells"), []),
        (ByTest("alternatives/test_alternatives.py", "test_page_and"), ["test_page_and"]),
        (ByTest("no.py", "test_page_and"), ["test_page_and"]),
        (Here("pyproject.toml", "License"), ["License"]),
    ],
    ids=str,
)
def test_what_is_there_is_told_from_what_is_missing(
    evidence: Evidence, missing: list[str], cache: Path
) -> None:
    assert evidence.missing(downloaded(cache, {"small-peer": "1.0"})) == missing


@pytest.mark.parametrize(("word", "status"), [("lstm", 0), ("masks", 1)])
def test_the_command_names_the_cells_whose_evidence_is_missing(
    word: str, status: int, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = cache / "page.md"
    page.write_text("| | peer 1.0 |\n|---|---|\n| memory | no |\n", encoding="utf-8")
    monkeypatch.setattr(command, "PAGE", page)
    monkeypatch.setattr(command, "EVIDENCE", {"memory": {"peer 1.0": [Nowhere(("small-peer",), word)]}})
    monkeypatch.setattr(command, "VERSIONS", {"small-peer": "1.0"})
    assert command.main(["--cache", str(cache)]) == status
    said = capsys.readouterr().out
    assert f"peer 1.0: no\n  {'MISSING' if status else 'ok     '} small-peer, in no file -> {word}\n" in said
    assert said.count("missing: memory, peer 1.0: masks stands in small-peer, small_peer/ppo.py") == status


@pytest.mark.parametrize("row", CELLS)
def test_this_project_shows_what_its_column_says(row: str) -> None:
    assert [missing for each in EVIDENCE[row][HERE] for missing in each.missing({})] == []
