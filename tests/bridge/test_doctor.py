"""The doctor sees what is there, and what is wrong."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

import pytest
from processes import ROOT, free_port

from bridge import doctor


def test_command_lists_everything() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bridge.doctor"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
    )
    assert done.returncode in (0, 1), done.stderr  # 1 where something else holds port 5004
    for words in ("Python", "protobuf", "Unity's messages", "port 5004", "rendering", "devices"):
        assert words in done.stdout
    verdict = done.stdout.splitlines()[-1]
    assert verdict.startswith("Training would fail: " if done.returncode else "Ready to train.")
    assert (done.returncode == 1) == any(line.startswith("fails") for line in done.stdout.splitlines())
    assert metadata.version("protobuf") in done.stdout


def test_a_line_is_printed_as_each_check_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [
        doctor.Finding("a", "[here]"),
        doctor.Finding("b", "slow", "note", "take [another]"),
        doctor.Finding("c", "gone", "fails", "bring it back"),
    ]
    printed = []

    def examine() -> Iterator[doctor.Finding]:
        for finding in findings:
            yield finding
            printed.append(capsys.readouterr().out.split())

    monkeypatch.setattr(doctor, "examine", examine)
    assert doctor.main([]) == 1
    assert printed == [
        ["ok", "a", "[here]"],
        ["note", "b", "slow;", "take", "[another]"],
        ["fails", "c", "gone;", "bring", "it", "back"],
    ]
    assert capsys.readouterr().out.split("\n")[1] == "Training would fail: c. To note: b."
    del findings[2]
    assert doctor.main([]) == 0
    assert "Ready to train. To note: b." in capsys.readouterr().out


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("--halp", 2)])
def test_help_runs_no_check(argument: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: pytest.fail("a check was run"))
    with pytest.raises(SystemExit, match=str(status)):
        doctor.main([argument])


def test_what_would_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.python_version((3, 10, 1)).verdict == "fails"
    assert doctor.package("no-such-package").verdict == "fails"
    assert doctor.package("no-such-package", "no games").advice == "no games"
    monkeypatch.setattr(metadata, "version", lambda name: "1.26.4")
    assert doctor.package("numpy").verdict == "fails"
    assert doctor.package("mlagents-envs").verdict == "note"


def test_messages_that_do_not_load() -> None:
    def fail(name: str) -> object:
        raise TypeError("Descriptors cannot be created directly.")

    finding = doctor.messages(fail)
    assert finding.verdict == "fails"
    assert finding.found == "TypeError: Descriptors cannot be created directly."
    assert doctor.messages().verdict == "ok"


def test_taken_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    number = free_port()
    assert doctor.port(number, "first player").found == "free"
    with socket.socket() as other:
        other.bind(("127.0.0.1", number))
        other.listen()
        finding = doctor.port(number, "first player")
        assert (finding.verdict, str(os.getpid()) in finding.found) == ("note", True)
        monkeypatch.setattr(doctor, "EDITOR_PORT", number)
        assert doctor.port(number, "Editor").verdict == "fails"


def test_rendering_is_never_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    finding = doctor.rendering()
    assert finding.verdict in ("ok", "note")
    assert "MUJOCO_GL glfw" in finding.found
