"""The page: its numbers are those of the events, and a browser draws it, by mouse and by keyboard."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.chromium import NEEDS_BROWSER, Page, browse
from tests.needs import PLOTLY
from tests.trainers.compare.synthetic import write_run
from trainers.compare.groups import group_runs
from trainers.compare.page import write_page
from trainers.compare.report import CHARTS, make_report
from trainers.compare.runs import read_runs
from trainers.records.metrics import EPISODE_LENGTH, REWARD

pytestmark = PLOTLY
MOST_BYTES = 3_000_000
POINTS = 12


def write_runs(folder: Path) -> list[Path]:
    """Two seeds of each trainer with every curve that the page draws."""
    folders = []
    for ours in (True, False):
        for seed in (0, 1):
            random = np.random.default_rng(seed + 10 * ours)
            points = {
                tag: [(n * 100, n * 1.5 + seed, float(random.uniform(1, 500))) for n in range(1, POINTS + 1)]
                for tag in CHARTS
            }
            name = f"{'ours' if ours else 'theirs'}-s{seed}"
            folders.append(write_run(folder / name, points, seed, ours))
    return folders


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def report_page(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(make_report(group_runs(read_runs(runs))), path)
    return path


@pytest.fixture
def page() -> Iterator[Page]:
    with browse() as tab:
        yield tab


def data_of(path: Path) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.S)
    assert match
    return json.loads(match[1])


def test_the_numbers_in_the_page_are_those_of_the_events(runs: list[Path], report_page: Path) -> None:
    groups = data_of(report_page)["sections"][0]["groups"]
    shown = {run["name"]: run for group in groups for run in group["runs"]}
    assert sorted(shown) == sorted(folder.name for folder in runs)
    for folder in runs:
        events = EventAccumulator(str(folder / "Task"))
        events.Reload()
        for tag in CHARTS:
            curve, written = shown[folder.name]["curves"][tag], events.Scalars(tag)
            assert curve["steps"] == [event.step for event in written]
            assert curve["values"] == pytest.approx([event.value for event in written], rel=1e-6)
            began = events.FirstEventTimestamp()
            assert curve["seconds"] == pytest.approx([event.wall_time - began for event in written], abs=1e-3)


def test_the_bands_are_median_and_range_of_the_seeds(report_page: Path) -> None:
    for group in data_of(report_page)["sections"][0]["groups"]:
        values = np.array([run["curves"][REWARD]["values"] for run in group["runs"]])
        band = group["bands"][REWARD]["steps"]
        assert band["median"] == pytest.approx(np.median(values, axis=0).tolist(), rel=1e-6)
        assert band["low"] == pytest.approx(values.min(axis=0).tolist(), rel=1e-6)
        assert band["high"] == pytest.approx(values.max(axis=0).tolist(), rel=1e-6)


def test_the_table_of_the_page_is_computed_from_the_events(runs: list[Path], report_page: Path) -> None:
    cells = re.findall(r"<td data-row='best'>([\d,.]+) ", report_page.read_text())
    best = []
    for folders in (runs[:2], runs[2:]):
        highest = []
        for folder in folders:
            events = EventAccumulator(str(folder / "Task"))
            events.Reload()
            highest.append(max(event.value for event in events.Scalars(REWARD)))
        best.append(np.median(highest))
    assert [float(cell.replace(",", "")) for cell in cells] == pytest.approx(best, abs=0.06)


def test_the_page_is_small_and_whole(report_page: Path) -> None:
    text = report_page.read_text()
    assert len(text.encode()) < MOST_BYTES
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert not re.search(r'(src|href)="(?!#|data:)', outside)
    assert "default-src 'none'" in outside


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    folder = write_run(tmp_path / "a", {REWARD: [(1, 1.0, 1.0)]})
    page = tmp_path / "report.html"
    write_page(make_report(group_runs(read_runs([folder]), [evil])), page)
    assert evil not in page.read_text()
    assert data_of(page)["sections"][0]["groups"][0]["name"] == evil


@NEEDS_BROWSER
@pytest.mark.parametrize("width", [400, 1600])
def test_curves_are_drawn_without_a_request_or_a_complaint(report_page: Path, page: Page, width: int) -> None:
    page.open(report_page, width)
    drawn = page.evaluate("document.querySelectorAll('.plot .scatterlayer .js-line').length")
    assert drawn == (len(CHARTS) + 1) * 2 * 3  # per chart and group, the median and two edges of the band
    boxes = page.evaluate(
        "[...document.querySelectorAll('.plot .main-svg')].map(e => e.getBoundingClientRect().width)"
    )
    assert boxes
    assert all(200 < box <= width for box in boxes)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert {address for address in page.requests if not address.startswith(("data:", "blob:"))} == {
        report_page.resolve().as_uri()
    }
    assert page.complaints == []


def lines(page: Page, chart: int = 0) -> int:
    return page.evaluate(f"document.querySelectorAll('.plot')[{chart}].querySelectorAll('.js-line').length")


@NEEDS_BROWSER
def test_runs_axes_seeds_and_colours_are_toggled(report_page: Path, page: Page) -> None:
    page.open(report_page, 1600)
    page.evaluate("document.querySelector('.chips button').click()")
    assert lines(page) == 3
    assert page.evaluate("document.querySelector('.chips button').getAttribute('aria-pressed')") == "false"
    page.evaluate("document.querySelector('.chips button').click()")
    page.evaluate("document.getElementById('seeds').click()")
    assert lines(page) == 6 + 4
    axis = "document.querySelectorAll('.plot')[{}]._fullLayout.{}.type"
    page.evaluate("document.getElementById('log-x').click()")
    assert page.evaluate(axis.format(0, "xaxis")) == "log"
    page.evaluate("document.getElementById('log-losses').click()")
    assert page.evaluate(axis.format(len(CHARTS), "yaxis")) == "log"
    assert page.evaluate(axis.format(0, "yaxis")) == "linear"
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.evaluate("document.getElementById('dark').click()")
    assert page.evaluate(paper) != light
    assert page.complaints == []


@NEEDS_BROWSER
def test_everything_can_be_done_with_the_keyboard(report_page: Path, page: Page) -> None:
    page.open(report_page, 1600)
    page.key("Tab", 9)
    assert page.evaluate("document.activeElement.id") == "log-x"
    page.key(" ", 32)
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.key(" ", 32)
    for _ in range(4):
        page.key("Tab", 9)
    assert page.evaluate("document.activeElement.parentElement.className") == "chips"
    page.key("Enter", 13)
    assert lines(page) == 3
    page.key("Enter", 13)
    for _ in range(2):
        page.key("Tab", 9)
    assert page.evaluate("document.activeElement.className").startswith("plot")
    page.key("ArrowRight", 39)
    page.key("ArrowRight", 39)
    said = page.evaluate("document.querySelector('.reading').textContent")
    median = data_of(report_page)["sections"][0]["groups"][0]["bands"][REWARD]["steps"]["median"][1]
    assert said.startswith("200 agent steps: ")
    assert f"{float(f'{median:.4g}'):g}" in said
    page.wait("document.querySelector('.plot .hoverlayer').textContent !== ''")
    assert page.complaints == []


@NEEDS_BROWSER
def test_it_prints(report_page: Path, page: Page) -> None:
    page.open(report_page, 1600)
    assert page.pdf().startswith(b"%PDF")
    assert page.evaluate("document.querySelector('.plot .main-svg').getBoundingClientRect().width") > 350
    assert page.complaints == []


def test_a_page_needs_only_what_there_is(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", {EPISODE_LENGTH: [(1, 1.0, 7.0)]})
    page = tmp_path / "report.html"
    write_page(make_report(group_runs(read_runs([folder]))), page)
    assert "episode length at the end" in page.read_text()
    assert "final reward" not in page.read_text()
