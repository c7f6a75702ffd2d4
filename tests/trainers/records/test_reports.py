"""What is written of a run across interruptions and refusals."""

import csv
import threading

import numpy as np
import pytest
from run_tools import read_events

from trainers.records import event_file
from trainers.records.event_file import BINS
from trainers.records.metrics import EVALUATION_RETURN, REWARD, Metrics, Summary
from trainers.records.reports import CsvReport, TensorBoardReport, is_summary


def summary(step: int, **values: float) -> Summary:
    return of_values(step, values)


def of_values(step: int, values: dict[str, float]) -> Summary:
    return Summary("Task", step, 1.0, values, {}, [], training=True)


def rows(path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


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


def test_an_evaluation_is_in_the_line_of_the_summary_of_the_same_step(tmp_path):
    report = CsvReport(tmp_path, None)
    for step, values in (
        *((100, {EVALUATION_RETURN: 1.0}), (150, {REWARD: 2.0})),
        *((200, {EVALUATION_RETURN: 3.0}), (200, {REWARD: 4.0})),
        (300, {EVALUATION_RETURN: 5.0}),
    ):
        report.write(of_values(step, values))
    found = rows(tmp_path / "progress.csv")
    assert [(row["step"], row[EVALUATION_RETURN], row[REWARD]) for row in found] == [
        *(("100", "1", ""), ("150", "", "2"), ("200", "3", "4"), ("300", "5", ""))
    ]
    assert [is_summary(row) for row in found] == [False, True, True, False]
    again = CsvReport(tmp_path, resumed_step=300)
    again.write(of_values(300, {REWARD: 6.0}))
    assert [row[REWARD] for row in rows(tmp_path / "progress.csv")][-1] == "6"


def test_what_comes_after_the_last_summary_is_in_its_line(tmp_path):
    report = CsvReport(tmp_path, None)
    for values in ({REWARD: 4.0, "Losses/Value Loss": 1.0}, {"Losses/Value Loss": 2.0}):
        report.write(of_values(200, values))
    after = CsvReport(tmp_path, resumed_step=200)
    after.write(of_values(200, {"Scene/Doors": 3.0}))
    after.write(of_values(250, {REWARD: 5.0}))
    found = rows(tmp_path / "progress.csv")
    assert [[row["step"], row[REWARD], row["Losses/Value Loss"], row["Scene/Doors"]] for row in found] == [
        ["200", "4", "2", "3"],
        ["250", "5", "", ""],
    ]


def test_curves_go_on_in_their_order_after_the_clock_was_set_back(tmp_path, monkeypatch):
    present = 1_800_000_000.0
    monkeypatch.setattr(event_file.time, "time", lambda: present)
    folder = tmp_path / "Task"
    before = TensorBoardReport(folder, "", None)
    for step in (100, 200, 300):
        before.write(summary(step, tag=1.0))
    for resumed, later in ((200, -10_000_000.0), (300, 0.0)):  # long before, then in the same second
        present += later
        after = TensorBoardReport(folder, "", resumed)
        after.write(summary(resumed + 50, tag=2.0))
        after.write(summary(resumed + 100, tag=2.0))
    (folder / "events.out.tfevents.other").write_bytes(b"")
    points = [(event.step, event.value) for event in read_events(tmp_path).Scalars("tag")]
    assert points == [(100, 1), (200, 1), (250, 2), (300, 2), (350, 2), (400, 2)]


def test_tensorboard_begins_another_file_after_one_was_refused(tmp_path):
    others, folder = set(threading.enumerate()), tmp_path / "run" / "Task"
    report = TensorBoardReport(folder, "", None)
    report.write(summary(1, tag=0.5))
    folder.rename(tmp_path / "moved")
    with pytest.raises(OSError, match="Task"):
        report.write(summary(2, tag=0.5))
    assert set(threading.enumerate()) == others, "a thread would print its traceback"
    report.write(summary(3, tag=0.5))
    (tmp_path / "moved").rename(folder / "Task")
    assert [event.step for event in read_events(tmp_path / "run").Scalars("tag")] == [3]
    assert [event.step for event in read_events(folder).Scalars("tag")] == [1]


def test_histograms_have_the_edges_of_tensorboards_own():
    edges = [1e-12]
    while edges[-1] < 1e20 / 1.1:
        edges.append(edges[-1] * 1.1)
    np.testing.assert_allclose(BINS, [*(-edge for edge in reversed(edges)), 0.0, *edges])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"step;seconds\n100;1\n",
        b"step,seconds\n100,\xe9\n",
        b"step,seconds\n100,\n",
        b"step,seconds\nmany,1\n",
        b"step,seconds\n200,1\n100,2\n",
        b"step,seconds\n100,nan\n",
        b"step,seconds,step\n100,1,1\n",
        b"step,seconds,tag\n100,1\n",
        b"step,seconds,tag\n100,1,n/a\n",
        b'step,seconds,tag\n100,1,"',
        b"step,seconds,tag\n100,1," + b"1" * 200_000 + b"\n",
        bytes(100),
    ],
)
def test_a_damaged_file_is_kept_and_a_new_one_begins(content, tmp_path):
    path = tmp_path / "progress.csv"
    for count in (1, 2):
        path.write_bytes(content)
        report = CsvReport(tmp_path, resumed_step=300)
        assert f"{path} cannot be read" in report.note
        assert f"kept as progress.damaged-{count}.csv" in report.note
        assert "\n" not in report.note
        report.write(summary(350, tag=1.0))
        assert (tmp_path / f"progress.damaged-{count}.csv").read_bytes() == content
        assert [row["step"] for row in rows(path)] == ["350"]


def test_a_file_saved_by_an_editor_goes_on(tmp_path):
    before = CsvReport(tmp_path, None)
    before.write(summary(100, tag=0.5))
    text = before.path.read_text(encoding="utf-8")
    before.path.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    after = CsvReport(tmp_path, resumed_step=100)
    assert after.note == ""
    after.write(summary(200, tag=1.5))
    assert [(row["step"], row["tag"]) for row in rows(before.path)] == [("100", "0.5"), ("200", "1.5")]


def test_a_statistic_may_have_any_name(tmp_path):
    names = ("step", "seconds", "a\rb", "two\nlines", "\ud800", "\0", 'a,"b"', "")
    metrics = Metrics()
    metrics.add_reported({name: [(3.5, "AVERAGE")] for name in names})
    values, _, _ = metrics.summarise()
    before = CsvReport(tmp_path, None)
    before.write(of_values(100, values))
    after = CsvReport(tmp_path, resumed_step=100)
    assert after.note == ""
    after.write(of_values(200, values))
    found = rows(before.path)
    assert [(row["step"], row["seconds"]) for row in found] == [("100", "1.0"), ("200", "2.0")]
    assert [found[0][f"Scene/{name}"] for name in ("step", "seconds")] == ["3.5", "3.5"]
    report = TensorBoardReport(tmp_path / "run" / "Task", "", None)
    report.write(of_values(100, values))
    assert [event.value for event in read_events(tmp_path / "run").Scalars("Scene/step")] == [3.5]


def test_a_line_costs_the_same_however_many_there_are(tmp_path, monkeypatch):
    """A long run has ten thousands of them, and each is turned into text once, unless a column is new."""
    report, turned = CsvReport(tmp_path, None), []
    line_of = vars(CsvReport)["_line"]
    monkeypatch.setattr(
        CsvReport, "_line", lambda self, row: turned.append(row["step"]) or line_of(self, row)
    )
    for step in range(100, 1100, 100):
        report.write(of_values(step, {EVALUATION_RETURN: 0.5}))
        report.write(of_values(step, {REWARD: 1.0, 'a, "b"': step / 100}))
    assert len(turned) == 2 * 10
    found = rows(tmp_path / "progress.csv")
    assert [row['a, "b"'] for row in found] == [str(number) for number in range(1, 11)]
    assert {(row[EVALUATION_RETURN], row[REWARD]) for row in found} == {("0.5", "1")}
    report.write(summary(1100, late=3.0))
    assert len(turned) == 20 + 11
    assert [row["late"] for row in rows(tmp_path / "progress.csv")] == [""] * 10 + ["3"]
