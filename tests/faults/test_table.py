"""Tests of the table of counts in `docs/reliability.md`."""

from pathlib import Path

import pytest

from tests.faults import __main__ as command
from tests.faults.fault import kinds
from tests.faults.tools.campaign import Attempt
from tests.faults.tools.table import END, START, written

PAGE = f"# Reliability\n{START}\n{END}\nthe end\n"


def _rows(page: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.split("|")[1:5]]
        for line in page.splitlines()
        if line.startswith("| `")
    ]


def test_the_rows_of_other_kinds_stay():
    kills = [Attempt("ppo-1", True, 30.0, []), Attempt("ppo-2", False, 30.0, ["why"])]
    once = written(PAGE, kinds(), {"soak": [Attempt("ppo", True, 60.0, [])]})
    page = written(once, kinds(), {"kills": kills})
    assert [row[:1] + row[2:] for row in _rows(page)] == [["`kills`", "2", "1"], ["`soak`", "1", "1"]]
    assert once.splitlines()[4] in page.splitlines()
    assert page.startswith("# Reliability\n")
    assert page.endswith(f"{END}\nthe end\n")


def test_a_kind_that_is_tried_again_has_one_row():
    first = written(PAGE, kinds(), {"kills": [Attempt("ppo-1", False, 1.0, ["why"])]})
    page = written(first, kinds(), {"kills": [Attempt("ppo-1", True, 1.0, [])]})
    assert [row[2:] for row in _rows(page)] == [["1", "1"]]


def test_a_page_without_the_marks_is_refused():
    with pytest.raises(ValueError, match="expected the lines"):
        written("# Reliability\n", kinds(), {})


def test_a_campaign_that_ends_early_leaves_the_kinds_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def attempts(kind: str, *_: object) -> list[Attempt]:
        if kind == "soak":
            raise KeyboardInterrupt
        return [Attempt("one", True, 1.0, [])]

    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    monkeypatch.setattr(command, "attempts", attempts)
    with pytest.raises(KeyboardInterrupt):
        command.main(["sizes", "soak", "--write", str(page)])
    assert [row[0] for row in _rows(page.read_text(encoding="utf-8"))] == ["`sizes`"]
    assert "sizes: 1 tried, 1 survived" in capsys.readouterr().out
