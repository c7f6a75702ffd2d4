"""What `training_status.json` may hold, and what is refused."""

import json

import pytest

from gym_adapters.errors import UserError
from trainers.records.run_status import read_status

ENTRY = {"steps": 5, "file_path": "A/A-5.onnx", "reward": None, "auxillary_file_paths": ["A/A-5.pt"]}


def test_files_of_both_trainers_are_read_with_all_of_their_keys(tmp_path):
    path = tmp_path / "training_status.json"
    assert read_status(path) == {}, "there is no file"
    status = {
        "A": {"checkpoints": [{**ENTRY, "creation_time": 1.5}], "final_checkpoint": ENTRY, "elo": 1200.0},
        "two\nlines": {"checkpoints": [], "best_return": 3, "device": "cpu"},
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
    ],
)
def test_a_damaged_file_is_refused_in_one_line_that_names_what_is_wrong(content, named, tmp_path):
    path = tmp_path / "training_status.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_status(path)
    message = str(caught.value)
    assert str(path) in message
    assert named in message
    assert "restore it, or delete it" in message
    assert "\n" not in message


def test_a_folder_of_that_name_is_refused(tmp_path):
    (tmp_path / "training_status.json").mkdir()
    with pytest.raises(UserError, match=r"training_status\.json: cannot be used"):
        read_status(tmp_path / "training_status.json")
