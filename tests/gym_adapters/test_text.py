"""Text from elsewhere cannot control a terminal."""

import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_adapters import UserError
from gym_adapters.text import first_line, joined_lines, log_everything, log_to_terminal, one_line, printable

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_printable_line_and_no_longer_than_allowed(text: str, most: int) -> None:
    line = one_line(text, most)
    assert line.isprintable()
    assert len(line) <= most
    line.encode()  # no lone surrogates


@given(st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" ")))
def test_plain_text_stays(text: str) -> None:
    assert one_line(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hcleared", "cleared"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;aGVsbG8=\x07", ""),
        ("\x1bPdevice\x1b\\x", "x"),
        ("\x1bc\x1b(0x", "x"),
        ("a\rb\x08\x07", "a\\rb\\x08\\x07"),
        ("a\x00b\x7f\x85", "a\\x00b\\x7f\\x85"),
        ("a\tb\xa0c\u3000d", "a b c d"),
        ("evil\u202egnp.exe", "evil\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("Größe 大きさ", "Größe 大きさ"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_every_change_of_direction_is_written_out() -> None:
    assert one_line(BIDI) == BIDI.encode("ascii", "backslashreplace").decode()


def test_lines_stay_apart() -> None:
    assert printable("one\ntwo\x1b[31m\n" + "x" * 5000) == "one\ntwo\n" + "x" * 1999 + "…"


def test_a_refusal_cannot_control_the_terminal() -> None:
    assert str(UserError("file \x1b[31mx\x1b]0;t\x07.yaml: wrong")) == "file x.yaml: wrong"


def test_neither_can_a_log_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    level = logging.getLogger().level
    log_to_terminal()
    logging.getLogger("bridge").info("connected to %s", "\x1b[31mit\x1b[0m\u202e")
    logging.getLogger().setLevel(level)
    assert capsys.readouterr().err == "[INFO] connected to it\\u202e\n"


def test_debug_messages_are_those_of_the_named_packages_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    own, other = logging.getLogger("own_package.module"), logging.getLogger("other_package")
    log_to_terminal()
    own.debug("before")
    log_everything("own_package")
    own.debug("after")
    other.debug("elsewhere")
    other.info("said")
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:,]+ DEBUG \[test_text\.py:\d+\] after", first)
    assert re.fullmatch(r".* INFO \[test_text\.py:\d+\] said", second)


@given(st.text())
def test_what_an_error_says_is_one_short_printable_line(text: str) -> None:
    for said in (first_line(ValueError(text)), joined_lines(ValueError(text))):
        assert said.isprintable()
        assert len(said) <= 300


def test_the_first_line_of_an_error_or_all_of_them() -> None:
    error = ValueError("\n  no such shape:\n  (3, 4)\n")
    assert first_line(error) == "no such shape:"
    assert first_line(error, typed=True) == "ValueError: no such shape:"
    assert joined_lines(error) == "no such shape: (3, 4)"


@pytest.mark.parametrize("text", ["", " \n", "\x1c"])
def test_an_error_that_says_nothing_is_called_by_its_type(text: str) -> None:
    assert first_line(ValueError(text)) == first_line(ValueError(text), typed=True) == "ValueError"
