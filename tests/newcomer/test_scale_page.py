"""The table of docs/scale.md that is reckoned and not measured follows from the formula above it."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
LATENCY, BANDWIDTH = 0.05e-3, 10e9 / 8
"""Seconds one way, and bytes a second, of the network that the page assumes."""
CASES = ((0.77, 320, 24_653), (20_480 / 500, 30, 398_415))
"""Seconds, gradient steps and parameters of an update, for each column."""


def reckoned(ranks: int, seconds: float, steps: int, parameters: int) -> tuple[float, float]:
    """Seconds of messages in an update, and the part of `ranks` times the speed of one rank that is left."""
    sent = 2 * (ranks - 1) / ranks * 4 * parameters
    messages = steps * (4 * (ranks - 1) * LATENCY + sent / BANDWIDTH)
    return messages, seconds / (seconds + messages)


def test_the_table_of_a_thousand_ranks_follows_from_the_formula() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = text.split("### A thousand ranks, on paper")[1].split("\n\n")[1]
    rows = re.findall(
        r"^\| ([\d,]+) \| ([\d.]+) s, ([\d.]+) \| ([\d.]+) s, ([\d.]+) \|$", table, re.MULTILINE
    )
    assert [row[0] for row in rows] == ["2", "8", "32", "128", "512", "1,000"]
    for ranks, *cells in rows:
        for index, case in enumerate(CASES):
            shown = [float(cell) for cell in cells[2 * index : 2 * index + 2]]
            assert shown == pytest.approx(reckoned(int(ranks.replace(",", "")), *case), abs=0.0051)
