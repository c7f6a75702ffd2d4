"""A run that `force` replaces comes back when the new one never begins."""

import os
from pathlib import Path

import pytest

from trainers.config import CheckpointSettings
from trainers.records.run_folder import claimed_folder


def earlier_run(folder: Path) -> CheckpointSettings:
    run = folder / "walk"
    (run / "Walker").mkdir(parents=True)
    (run / "Walker" / "checkpoint.pt").touch()
    (run / "configuration.yaml").write_text("earlier")
    return CheckpointSettings(run_id="walk", results_dir=str(folder), force=True)


def fail_to_start(folder: Path, checkpoints: CheckpointSettings) -> None:
    with claimed_folder(checkpoints):
        (folder / "walk" / "run_logs").mkdir()
        (folder / "walk" / "run_logs" / "Player-0.log").write_text("crash")
        (folder / "walk" / "configuration.yaml").write_text("new")
        raise RuntimeError("no player")


def test_the_earlier_run_comes_back_even_if_the_player_left_a_log(tmp_path):
    checkpoints = earlier_run(tmp_path)
    with pytest.raises(RuntimeError, match="no player"):
        fail_to_start(tmp_path, checkpoints)
    assert (tmp_path / "walk" / "configuration.yaml").read_text() == "earlier"
    assert (tmp_path / "walk" / "Walker" / "checkpoint.pt").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["walk"]


def test_the_earlier_run_is_gone_once_the_new_one_has_saved_something(tmp_path):
    with claimed_folder(earlier_run(tmp_path)):
        (tmp_path / "walk" / "Walker").mkdir()
        (tmp_path / "walk" / "Walker" / "best.pt").touch()
    assert [path.name for path in (tmp_path / "walk").rglob("*.pt")] == ["best.pt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["walk"]


@pytest.mark.skipif(os.name == "nt", reason="Windows wants a privilege for links")
def test_a_run_folder_that_is_a_link_stays_one_and_its_run_is_replaced_where_it_lies(tmp_path):
    disk, results = tmp_path / "other disk", tmp_path / "runs"
    checkpoints = earlier_run(disk)
    results.mkdir()
    (results / "walk").symlink_to(disk / "walk", target_is_directory=True)
    checkpoints = checkpoints.model_copy(update={"results_dir": str(results)})
    with pytest.raises(RuntimeError, match="no player"):
        fail_to_start(results, checkpoints)
    assert (disk / "walk" / "configuration.yaml").read_text() == "earlier"
    for text in ("second", "third"):
        with claimed_folder(checkpoints):
            assert list((results / "walk").iterdir()) == []
            (results / "walk" / "configuration.yaml").write_text(text)
            (results / "walk" / "Walker").mkdir()
            (results / "walk" / "Walker" / "best.pt").touch()
        assert (disk / "walk" / "configuration.yaml").read_text() == text
        assert (results / "walk").is_symlink()
        assert [path.name for place in (disk, results) for path in place.iterdir()] == ["walk", "walk"]
