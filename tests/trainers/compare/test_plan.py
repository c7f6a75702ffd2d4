"""Whether a run has finished."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainers.compare.plan import has_finished
from trainers.config import load_settings


def run_folder(folder: Path, entries: dict[str, Any]) -> Path:
    logs = folder / "run_logs"
    logs.mkdir()
    (logs / "timers.json").write_text("{}")
    (logs / "training_status.json").write_text(json.dumps(entries))
    return folder


def at(steps: int, **keys: Any) -> dict[str, Any]:
    return {"final_checkpoint": {"steps": steps, "file_path": "x.onnx"}, **keys}


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
