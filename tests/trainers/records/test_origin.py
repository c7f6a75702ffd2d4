"""What a run keeps about how it was started."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from run_tools import train_small

from trainers.records.origin import command_line, commit, write_origin


def test_a_run_keeps_its_command_lines_and_versions_and_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "s3cret-key")
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "trainers.ppo", "my file.yaml"])
    train_small(tmp_path, behavior={"max_steps": 50})
    logs = tmp_path / "first" / "run_logs"
    found = json.loads((logs / "system.json").read_text())
    assert found["packages"]["torch"] == metadata.version("torch")
    assert found["python"].split(".")[:2] == [str(part) for part in sys.version_info[:2]]
    train_small(tmp_path, behavior={"max_steps": 100}, resume=True)
    lines = (logs / "command.txt").read_text().splitlines()
    assert [line[21:] for line in lines] == ["python -m trainers.ppo 'my file.yaml'"] * 2
    assert not any("s3cret-key" in path.read_text() for path in logs.iterdir())


def test_command_line_can_be_typed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "a b", "$HOME", "it's"]
    monkeypatch.setattr(sys, "orig_argv", words)
    said = subprocess.run(command_line(), shell=True, capture_output=True, text=True, check=True).stdout
    assert said.strip() == str(words[3:])


def test_commit_is_that_of_the_folder_and_says_what_was_changed(tmp_path: Path) -> None:
    assert commit(tmp_path) is None

    def git(*words: str) -> str:
        base = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
        return subprocess.run([*base, *words], capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("commit", "-qm", "first")
    git("tag", "v1")
    assert commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("b")
    assert commit(tmp_path) == git("rev-parse", "HEAD") + "-dirty"

    for folder in (tmp_path / ".venv" / "site-packages" / "trainers", tmp_path / "runs"):
        folder.mkdir(parents=True)
        (folder / "ppo.py").write_text("of another project")
        assert commit(folder) is None
    git("add", "runs")
    git("commit", "-qm", "second")
    assert commit(tmp_path / "runs") == git("rev-parse", "HEAD") + "-dirty"


def test_the_repository_is_only_read(tmp_path: Path) -> None:
    """Git that is ended while it writes leaves `index.lock`, and the next `git commit` is refused."""
    for words in (["init", "-q"], ["add", "file"]):
        (tmp_path / "file").write_text("a")
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    subprocess.run(
        ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "first"],
        check=True,
    )
    os.utime(tmp_path / "file", (1, 1))  # git would write this down
    index = tmp_path / ".git" / "index"
    before = index.stat()
    assert "dirty" not in str(commit(tmp_path))
    assert (index.stat().st_ino, index.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_broken_record_does_not_end_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_origin(tmp_path)
    write_origin(tmp_path)
    path = tmp_path / "run_logs" / "command.txt"
    assert len(path.read_text().splitlines()) == 2
    path.write_bytes(b"\xff no text\n")
    monkeypatch.setattr(sys, "orig_argv", ["python", "a\udcff.py"])
    write_origin(tmp_path)
    first, second = path.read_text("utf-8").splitlines()
    assert first == "\ufffd no text"
    assert second.endswith("  python 'a?.py'")
