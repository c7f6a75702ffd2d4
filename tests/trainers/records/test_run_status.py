"""What `training_status.json` may hold, what is refused, and whether a run has finished."""

import json
from pathlib import Path
from typing import Any

import pytest

from gym_adapters.errors import UserError
from tests.refusals import refused
from trainers.config import load_settings
from trainers.records.run_status import has_finished, read_status

ENTRY = {"steps": 5, "file_path": "A/A-5.onnx", "reward": None, "auxillary_file_paths": ["A/A-5.pt"]}


def test_files_of_both_trainers_are_read_with_all_of_their_keys(tmp_path):
    path = tmp_path / "training_status.json"
    assert read_status(path) == {}, "there is no file"
    status = {
        "A": {"checkpoints": [{**ENTRY, "creation_time": 1.5}], "final_checkpoint": ENTRY, "elo": 1200.0},
        "two\nlines": {"checkpoints": [], "best_return": 3, "device": "cpu"},
        "self_play": {"learning_team": None, "turn_began": {"A": 7}},
        "gravity": {"lesson_num": 2, "smoothed_reward": -1.0},
        "metadata": {"stats_format_version": "0.3.0", "mlagents_version": "1.1.0", "torch_version": "2.1"},
    }
    path.write_text(json.dumps(status), encoding="utf-8")
    assert read_status(path) == status
    path.write_text(json.dumps(status), encoding="utf-8-sig")
    assert read_status(path) == status


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "the whole"),
        (b'{"A": null}', "A:"),
        (b'{"two\\nlines": 5}', "two lines:"),
        (b'{"metadata": [1]}', "metadata:"),
        (b'{"A": {"checkpoints": null}}', "A.checkpoints:"),
        (b'{"A": {"checkpoints": [{"steps": 5}]}}', "A.checkpoints.0.file_path:"),
        (json.dumps({"A": {"checkpoints": [{**ENTRY, "steps": -5}]}}).encode(), "A.checkpoints.0.steps:"),
        (json.dumps({"A": {"checkpoints": [{**ENTRY, "steps": "5"}]}}).encode(), "A.checkpoints.0.steps:"),
        (json.dumps({"A": {"final_checkpoint": {**ENTRY, "file_path": 1}}}).encode(), "file_path:"),
        (b'{"A": {"best_return": NaN}}', "A.best_return:"),
        (b'{"A": {"device": 3}}', "A.device:"),
        (b'{"p": {"lesson_num": -1}}', "p.lesson_num:"),
        (b'{"p": {"smoothed_reward": "x"}}', "p.smoothed_reward:"),
        (b'{"A": {"elo": "x"}}', "A.elo:"),
        (b'{"self_play": {"learning_team": "x"}}', "self_play.learning_team:"),
        (b'{"self_play": {"turn_began": [1]}}', "self_play.turn_began:"),
        (b'{"self_play": {"turn_began": {"A": "x"}}}', "self_play.turn_began.A:"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line_that_names_what_is_wrong(content, named, tmp_path):
    path = tmp_path / "training_status.json"
    path.write_bytes(content)
    message = refused(read_status, path)
    assert str(path) in message
    assert named in message
    assert "restore it, or delete it" in message
    assert "\n" not in message


def test_a_folder_of_that_name_is_refused(tmp_path):
    (tmp_path / "training_status.json").mkdir()
    with pytest.raises(UserError, match=r"training_status\.json: cannot be used"):
        read_status(tmp_path / "training_status.json")


def run_folder(folder: Path, entries: dict[str, Any]) -> Path:
    logs = folder / "run_logs"
    logs.mkdir()
    (logs / "timers.json").write_text("{}")
    (logs / "training_status.json").write_text(json.dumps(entries))
    return folder


def at(steps: int, **keys: Any) -> dict[str, Any]:
    return {"final_checkpoint": {"steps": steps, "file_path": "x.onnx", "auxillary_file_paths": []}, **keys}


@pytest.mark.parametrize(
    ("entries", "finished"),
    [
        ({"Long": at(1000), "Short": at(100), "metadata": {}, "size": {"lesson_num": 1}}, True),
        ({"Long": at(100), "Short": at(100)}, False),
        ({"Long": at(1000), "Short": at(99)}, False),
        ({"Long": at(300, early_stop={"reason": "enough"}), "Short": at(100)}, True),
        ({"Long": at(300, early_stop={"reason": ""}), "Short": at(100)}, False),
        ({"metadata": {}}, False),
    ],
)
def test_each_behavior_ends_at_its_own_step_or_when_it_has_learned_enough(
    entries: dict[str, Any], finished: bool, tmp_path: Path
) -> None:
    settings = load_settings({"behaviors": {"Long": {"max_steps": 1000}, "Short": {"max_steps": 100}}})
    assert has_finished(run_folder(tmp_path, entries), settings) == finished


def test_behaviors_of_the_default_settings_end_at_their_step(tmp_path: Path) -> None:
    run = run_folder(tmp_path, {"A": at(50), "B": at(60)})
    assert has_finished(run, load_settings({"default_settings": {"max_steps": 50}}))
    assert not has_finished(run, load_settings({"default_settings": {"max_steps": 60}}))


def test_a_run_is_not_finished_before_it_has_ended_or_if_its_status_is_damaged(tmp_path: Path) -> None:
    settings = load_settings({"default_settings": {"max_steps": 50}})
    run = run_folder(tmp_path, {"A": at(50)})
    (run / "run_logs" / "training_status.json").write_text("{")
    assert not has_finished(run, settings)
    (run / "run_logs" / "training_status.json").write_text(json.dumps({"A": at(50)}))
    assert has_finished(run, settings)
    (run / "run_logs" / "timers.json").unlink()
    assert not has_finished(run, settings)
