"""Files that the system refuses to write while a run goes on: a full disk, one that another program holds open.

A folder in a file's place is refused on every system.
"""

from pathlib import Path

import numpy as np
import pytest
from run_tools import Stopwatch, options, read_events, read_progress, train_small

from bridge.onnx_export import main as export
from trainers import UserError, train
from trainers.playback.keep import main as keep
from trainers.records.checkpoint import load_state


class Refusals(Stopwatch):
    """A task during which folders stand where files of its run are to be written, up to its decision `until`."""

    def __init__(self, places: list[Path], until: int | None) -> None:
        super().__init__()
        self.places, self.until = places, until

    def pay(self, obs, action) -> np.ndarray:
        rewards = super().pay(obs, action)
        if self.steps == 1:
            for place in self.places:
                (place / "in the way").mkdir(parents=True)
        if self.steps == self.until:
            for place in self.places:
                (place / "in the way").rmdir()
                place.rmdir()
        return rewards


def test_what_is_refused_for_a_while_is_written_later(tmp_path, capsys):
    run = tmp_path / "first"
    names = ("progress.csv", "checkpoint.pt", "best.pt", "reward.png")
    task = Refusals([run / "Task" / name for name in names], until=100)  # 16 agents: 1,600 of 3,000 steps
    outcome = train(task.env(), options(tmp_path))["Task"]

    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Not written: ")]
    assert [line.partition(" (")[0] for line in said] == [
        "Not written: the summary of Task",
        *["Not written: the checkpoint of Task at 704", "Not written: the plots of Task"],
        "Not written: the summary of Task",
        *["Not written: the checkpoint of Task at 1,408", "Not written: the plots of Task"],
        "Not written: the summary of Task",
    ]
    assert [int(row["step"]) // 500 for row in read_progress(run)] == [1, 2, 3, 4, 5, 6]
    assert {step.step // 500 for step in read_events(run).Scalars("Policy/Entropy")} == {1, 2, 3, 4, 5, 6}
    steps = sorted(int(path.stem.partition("-")[2]) for path in run.glob("Task/Task-*.pt"))
    assert [step // 700 for step in steps] == [3, 4, 4]
    assert load_state(run / "Task" / "checkpoint.pt")["global_step"] == outcome.steps
    assert {"best.pt", "reward.png", "losses.png"} <= {path.name for path in (run / "Task").iterdir()}


def test_a_run_whose_end_is_not_saved_says_so_and_keeps_what_was(tmp_path):
    train_small(tmp_path, behavior={"max_steps": 1000})
    path = tmp_path / "first" / "Task" / "checkpoint.pt"
    before = load_state(path)["global_step"]
    model = tmp_path / "first" / "Task.onnx"
    model.unlink()
    task = Refusals([model], until=None)

    with pytest.raises(UserError, match=r"last .onnx of Task could not be written.*bridge.onnx_export"):
        train(task.env(), options(tmp_path, behavior={"max_steps": 2000}, resume=True))
    assert load_state(path)["global_step"] > before, "a refused .onnx does not cost the weights"


def test_commands_name_what_they_cannot_write(finished_run, tmp_path, capsys):
    run, _ = finished_run
    (tmp_path / "file").write_text("")
    assert keep([str(run), "--out", str(tmp_path / "file")]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / 'file' / 'Task'}: cannot be written" in error

    copy = tmp_path / "run" / "Task"
    copy.mkdir(parents=True)
    (copy / "checkpoint.pt").write_bytes((run / "Task" / "checkpoint.pt").read_bytes())
    (tmp_path / "run" / "Task.onnx" / "in the way").mkdir(parents=True)
    assert export([str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / 'run' / 'Task.onnx'}: cannot be written" in error
