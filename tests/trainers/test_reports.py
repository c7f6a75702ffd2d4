"""`progress.csv` across an interruption."""

import csv

from trainers.metrics import Summary
from trainers.reports import CsvReport


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
