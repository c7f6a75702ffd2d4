"""An environment's own statistics, such as those of Unity's `StatsRecorder`, in the summaries of a run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from training.test_curriculum import Taught, options

from trainers import train
from trainers.records.reports import read_progress

AVERAGE, SUM = (SimpleNamespace(name=name) for name in ("AVERAGE", "SUM"))


class Reporting(Taught):
    """Reports its number, and counts its steps.

    Args:
        number: any number.
    """

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number

    def take_stats(self) -> dict[str, Any]:
        return {"Game/Number": [(np.float32(self.number), AVERAGE)], "Game/Steps": [(1, SUM)]}


def test_statistics_are_columns_of_the_summaries() -> None:
    """16 agents decide in every step, so 100 decisions take 7 steps, or 6."""
    outcomes = train(Reporting(2.5), options({}))
    rows, _ = read_progress(Path("runs/run/Task/progress.csv"))
    assert [row["Game/Number"] for row in rows] == ["2.5"] * len(rows)
    assert {float(row["Game/Steps"]) for row in rows[1:]} == {6.0, 7.0}
    assert sum(float(row["Game/Steps"]) for row in rows) == outcomes["Task"].steps // 16
