"""Tests of the lock of a run."""

from pathlib import Path

import pytest

from trainers.records.run_lock import LOCKS, locked


def test_a_folder_of_locks_that_another_process_deletes_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As if the last lock in it had been left just after `mkdir` found it there."""
    place, is_dir = tmp_path / LOCKS, Path.is_dir
    place.mkdir()
    times = iter([1])

    def gone(path: Path) -> bool:
        if path == place and next(times, 0):
            place.rmdir()
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", gone)
    with locked(tmp_path / "run"):
        assert (place / "run.lock").exists()
    assert not place.exists()


def test_a_file_in_place_of_the_locks_does_not_end_a_run(tmp_path: Path):
    (tmp_path / LOCKS).write_text("in the way", encoding="utf-8")
    with locked(tmp_path / "run"):
        pass
    assert (tmp_path / LOCKS).read_text(encoding="utf-8") == "in the way"
