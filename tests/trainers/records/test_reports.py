"""What is written of a run across interruptions and refusals."""

import csv
import threading

import pytest
from run_tools import read_events

from trainers.records.metrics import Summary
from trainers.records.reports import CsvReport, TensorBoardReport


def summary(step: int, **values: float) -> Summary:
    return Summary("Task", step, 1.0, values, {}, [], training=True)


def test_columns_of_before_an_interruption_stay_when_the_next_line_has_no_value_for_them(tmp_path):
    before = CsvReport(tmp_path, None)
    for step in (100, 200, 300):
        before.write(summary(step, rare=0.5 + step))

    after = CsvReport(tmp_path, resumed_step=200)
    after.write(summary(250, new=2.0))
    after.write(summary(350, rare=3.0))

    with (tmp_path / "progress.csv").open(newline="", encoding="utf-8") as stream:
        rows = [(row["step"], row["rare"], row["new"]) for row in csv.DictReader(stream)]
    assert rows == [("100", "100.5", ""), ("200", "200.5", ""), ("250", "", "2"), ("350", "3", "")]


def test_tensorboard_begins_another_file_after_one_was_refused(tmp_path, monkeypatch):
    # The writer's thread ends with the error, and says so.
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    others, folder = set(threading.enumerate()), tmp_path / "run" / "Task"
    report = TensorBoardReport(folder, "", None)
    report.write(summary(1, tag=0.5))
    folder.rename(tmp_path / "moved")
    with pytest.raises(OSError, match="Task"):
        report.write(summary(2, tag=0.5))
    for thread in set(threading.enumerate()) - others:
        thread.join(10)
    report.write(summary(3, tag=0.5))
    report.close()
    (tmp_path / "moved").rename(folder / "Task")
    assert [event.step for event in read_events(tmp_path / "run").Scalars("tag")] == [3]
    assert [event.step for event in read_events(folder).Scalars("tag")] == [1]
