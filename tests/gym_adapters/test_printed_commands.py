"""Commands that programs print: a shell reads back the words that were meant."""

import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_adapters.commands import (
    CommandParser,
    install_command,
    interpreter,
    module_command,
    nearby,
    option,
    shell_line,
)
from tests.needs import SHELL

WORDS = st.lists(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])), min_size=1)


@SHELL
@given(WORDS)
def test_a_shell_splits_a_line_into_its_words(words):
    assert shlex.split(shell_line(*words)) == words


def test_the_interpreter_is_named_from_the_current_folder_and_links_are_kept(tmp_path, monkeypatch):
    program = tmp_path / "my venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.chdir(tmp_path)
    assert Path(interpreter()) == Path("my venv", "bin", "python")
    assert shlex.split(module_command("trainers.evaluate", Path("a b"))) == [
        interpreter(),
        *("-m", "trainers.evaluate", "a b"),
    ]
    monkeypatch.chdir(program.parent.parent.parent.parent)
    assert nearby(str(program)) == str(program.relative_to(Path.cwd()))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert interpreter() == str(program)
    monkeypatch.setattr(sys, "executable", "")
    assert install_command("a[b]>=2").startswith("python -m pip install")


def test_a_value_with_a_dash_is_no_option():
    parser = CommandParser()
    parser.add_argument("--run-id")
    for value in ("walker", "-walker", "--resume", "a b"):
        assert parser.parse_args(option("--run-id", value)).run_id == value


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["--max-stpes", "3"], "--max-stpes 3; did you mean --max-steps?"),
        (["--max-stpes=3"], "--max-stpes=3; did you mean --max-steps?"),
        (["extra", "--max-step"], "did you mean --max-steps?"),
        (["--lr"], "unrecognized arguments: --lr\n"),
        (["--zzz"], "unrecognized arguments: --zzz\n"),
        (["extra"], "unrecognized arguments: extra\n"),
    ],
)
def test_a_mistyped_option_is_told_the_nearest(typed, told, capsys):
    parser = CommandParser(allow_abbrev=False)
    parser.add_argument("--max-steps")
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(typed)
    assert told in capsys.readouterr().err
