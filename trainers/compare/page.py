"""The report as a self-contained HTML file: figures, curves, and the library that plots them."""

import base64
import gzip
import json
import time
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from gym_adapters.commands import install_command
from gym_adapters.errors import UserError, refusal_named
from gym_adapters.files import write_text
from trainers.compare import numbers
from trainers.compare.groups import Group
from trainers.compare.numbers import Spread
from trainers.compare.report import CHARTS, Report, Section, show
from trainers.compare.runs import THEIRS
from trainers.compare.table import caption
from trainers.records.metrics import EPISODE_LENGTH, REWARD
from trainers.records.words import counted

AXES = {"steps": "agent steps", "seconds": "seconds"}
TITLES = {
    REWARD: "Mean reward",
    EPISODE_LENGTH: "Episode length, decisions",
    "Policy/Entropy": "Entropy",
    "Losses/Policy Loss": "Policy loss",
    "Losses/Value Loss": "Value loss",
}
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""Content Security Policy: the page may load nothing from elsewhere."""

CONTROLS = (
    ("log-x", "Log axis"),
    ("log-losses", "Log losses"),
    ("seeds", "Single seeds"),
    ("dark", "Dark"),
)


def write_page(report: Report, path: Path) -> None:
    """Write the page.

    Raises:
        UserError: The plotting library is missing, or the file cannot be written.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise UserError(
            f"the page needs plotly, which is not installed; run: {install_command('plotly')}"
        ) from None
    text = render(report, get_plotlyjs())
    with refusal_named(path):
        write_text(path, text.encode("utf-8", "replace").decode())


def render(report: Report, library: str) -> str:
    """Return the HTML of the page.

    Args:
        report: The report.
        library: The source of plotly.js. The page stores it compressed, which saves two thirds.
    """
    packed = base64.b64encode(gzip.compress(library.encode(), mtime=0)).decode()
    title = escape(f"{report.title}: runs compared")
    controls = "".join(
        f'<button type="button" id="{name}" aria-pressed="false">{label}</button>' for name, label in CONTROLS
    )
    sections = "".join(_section(index, section) for index, section in enumerate(report.sections))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{_file("page.css")}</style>
</head>
<body>
<header><h1>{title}</h1>{_contents(report)}</header>
<nav class="controls" aria-label="Curves">{controls}</nav>
<p id="trouble" role="alert"><noscript>The curves need JavaScript. The tables show the main figures.</noscript></p>
<main>{sections}{_notes(report)}</main>
<script type="application/json" id="data">{_json(page_data(report))}</script>
<script type="application/octet-stream" id="library">{packed}</script>
<script>{_file("page.js")}</script>
</body>
</html>
"""


def page_data(report: Report) -> dict[str, Any]:
    """Return the data of the curves."""
    return {
        "axes": AXES,
        "charts": [
            {"tag": tag, "axis": axis, "title": TITLES[tag]}
            for tag in CHARTS
            for axis in (AXES if tag == REWARD else ("steps",))
        ],
        "sections": [
            {"title": section.title, "groups": [_group(group) for group in section.groups]}
            for section in report.sections
        ],
    }


def _group(group: Group) -> dict[str, Any]:
    bands: dict[str, dict[str, Any]] = {}
    for tag in CHARTS:
        curves = [run.curves[tag] for run in group.runs if tag in run.curves]
        bands[tag] = {}
        for axis in AXES if curves else ():
            band = numbers.band(curves, axis)
            bands[tag][axis] = {
                name: _numbers(getattr(band, name)) for name in ("x", "low", "median", "high")
            }
    runs = [
        {
            "name": run.folder.name,
            "seed": run.seed,
            "curves": {
                tag: {name: _numbers(getattr(curve, name)) for name in ("steps", "seconds", "values")}
                for tag, curve in run.curves.items()
                if tag in CHARTS
            },
        }
        for run in group.runs
    ]
    return {"name": group.name, "dashed": group.side == THEIRS, "bands": bands, "runs": runs}


def _numbers(values: np.ndarray) -> list[float | None]:
    """Round to seven digits, the precision of TensorBoard. NaN becomes null."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in values.tolist()]


def _json(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _file(name: str) -> str:
    return resources.files("trainers.compare").joinpath(name).read_text(encoding="utf-8")


def _contents(report: Report) -> str:
    made = f"<p>Made on {time.strftime('%Y-%m-%d')} by <code>python -m trainers.compare</code>.</p>"
    if len(report.sections) == 1:
        return made
    items = "".join(
        f'<li><a href="#section-{index}">{escape(section.title)}</a></li>'
        for index, section in enumerate(report.sections)
    )
    return f"{made}<ol>{items}</ol>"


def _section(index: int, section: Section) -> str:
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in section.sentences)
    return f"""
<section id="section-{index}" aria-labelledby="title-{index}">
<h2 id="title-{index}">{escape(section.title)}</h2>
{f"<ul>{sentences}</ul>" if sentences else ""}
<div class="chips" role="group" aria-label="Runs shown"></div>
<div class="charts"></div>
{_figures(section)}
{_differences(section)}
</section>"""


def _figures(section: Section) -> str:
    heads = [
        f"{escape(group.name)}<small>{counted(len(group.runs), 'seed')}</small>" for group in section.groups
    ]
    rows = [
        (
            escape(row.label),
            [f"<td data-row='{row.key}'>{_cell(cell, row.style)}</td>" for cell in row.cells],
        )
        for row in section.rows
    ]
    return f"{_table('Figures', heads, rows)}<p class='caption'>{escape(caption(section))}</p>"


def _cell(cell: Spread, style: str) -> str:
    """Return a figure with its range in small print."""
    median, bracket, rest = escape(show(cell, style)).partition(" (")
    return f"{median} <small>({rest}</small>" if bracket else median


def _differences(section: Section) -> str:
    if not section.differences:
        return "<p>The configurations do not differ.</p>"
    heads = [escape(group.name) for group in section.groups]
    rows = [
        (f"<code>{escape(key)}</code>", [f"<td>{escape(value)}</td>" for value in values])
        for key, values in section.differences.items()
    ]
    return _table("Keys that differ", heads, rows)


def _table(title: str, heads: Sequence[str], rows: Sequence[tuple[str, list[str]]]) -> str:
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(f'<tr><th scope="row">{label}</th>{"".join(cells)}</tr>' for label, cells in rows)
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{title}"><table><caption>{title}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _notes(report: Report) -> str:
    notes = [
        *report.notes,
        "Seconds are counted from the behavior's first observation, without the time between sessions.",
        "Lines are medians over the seeds, and bands and ranges span all seeds. Curves are interpolated linearly "
        "between summaries. Over seconds, a run that has ended keeps its last value.",
        "Each trainer reports its own losses. They define and average the policy loss differently.",
        "Time shares come from run_logs/timers.json. mlagents-learn runs its players in separate processes, so its "
        "time in env is the time that it waits for them.",
    ]
    return (
        f"<section><h2>Notes</h2><ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul></section>"
    )
