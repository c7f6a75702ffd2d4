"""Summaries written to TensorBoard, to `progress.csv` with its plots, and as a line for the console."""

import csv
import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gym_adapters.errors import refusal_named
from gym_adapters.files import write_text
from gym_adapters.text import joined_lines
from trainers.records.event_file import EventFile
from trainers.records.metrics import ELO, EPISODE_LENGTH, EVALUATION, GROUP_REWARD, REWARD, SPEED, Summary
from trainers.records.run_status import PROGRESS

PLACE = ("step", "seconds")
"""The first columns of `progress.csv`. The others are tags."""

CSV_TAGS = (
    REWARD,
    EPISODE_LENGTH,
    "Policy/Entropy",
    "Losses/Policy Loss",
    "Losses/Value Loss",
    "Policy/Learning Rate",
    "Policy/Epsilon",
    "Policy/Beta",
    SPEED,
)

LARGEST_SHOWN = 1e19
"""TensorBoard's histograms have no place for larger values, and fail on them."""


class TensorBoardReport:
    """Writes ML-Agents' tags to `<run>/<Behavior>/events.out.tfevents.*`; the x axis is agent steps.

    Args:
        folder: the behavior's folder.
        hyperparameters: YAML text, shown under TensorBoard's tab Text.
        resumed_step: the agent step that a resumed run goes on from, later ones are purged; None for a new run.
    """

    def __init__(self, folder: Path, hyperparameters: str, resumed_step: int | None) -> None:
        self._folder = folder
        self._file: EventFile | None = EventFile(folder, None if resumed_step is None else resumed_step + 1)
        self._file.write_text("Hyperparameters", f"```yaml\n{hyperparameters}\n```")

    def write(self, summary: Summary) -> None:
        """Add every value as a scalar, and every histogram.

        Raises:
            OSError: the file could not be written. The next summary begins another file.
        """
        file, self._file = self._file or EventFile(self._folder), None
        shown = {tag: np.asarray(values, np.float64) for tag, values in summary.histograms.items()}
        shown = {
            tag: values[np.isfinite(values)].clip(-LARGEST_SHOWN, LARGEST_SHOWN)
            for tag, values in shown.items()
        }
        file.write(
            summary.step, summary.values, {tag: values for tag, values in shown.items() if len(values)}
        )
        self._file = file


class CsvReport:
    """Writes `progress.csv`, one line for each step of a summary or an evaluation, and draws the two plots of it.

    The columns are agent steps, seconds of the run, and tags. A cell is empty if its tag had no value. An evaluation is
    in the line of the summary of the same step. So is what comes after the last summary of a run that then ends: an
    update in a thread, or a statistic of the environment.

    Args:
        folder: the behavior's folder.
        resumed_step: the agent step that a resumed run goes on from, later lines are dropped; None for a new run.

    Attributes:
        earlier_seconds: seconds of the run before this session.
        note: a message for the user, if the earlier file cannot be read; else empty.

    Raises:
        UserError: the earlier file can neither be read nor renamed.
    """

    def __init__(self, folder: Path, resumed_step: int | None) -> None:
        self.path = folder / PROGRESS
        self._rows: list[dict[str, str]] = []
        self._lines: list[str] = []  # of the first rows, as they stand in the file: a long run has many
        self._columns = [*PLACE, *CSV_TAGS]
        self.earlier_seconds, self.note = 0.0, ""
        if resumed_step is not None and self.path.is_file():
            self._take_over(resumed_step)

    def write(self, summary: Summary) -> None:
        """Add a line; the whole file is replaced atomically.

        Raises:
            OSError: the file could not be written. The next call writes this line too.
        """
        row = {tag: f"{value:.6g}" for tag, value in summary.values.items()}
        seconds = self.earlier_seconds + summary.elapsed
        row |= {"step": str(summary.step), "seconds": f"{seconds:.1f}"}
        last = self._rows[-1] if self._rows else {}
        if last.get("step") == row["step"]:
            self._rows.pop()
            del self._lines[len(self._rows) :]
            row = {**last, **row}
        self._rows.append(row)
        new = [tag for tag in row if tag not in self._columns]
        if new:
            self._columns += new
            self._lines = []
        self._lines += map(self._line, self._rows[len(self._lines) :])
        write_text(self.path, "".join([csv_text([self._columns]), *self._lines]))

    def _line(self, row: Mapping[str, str]) -> str:
        return csv_text([[row.get(column, "") for column in self._columns]])

    def draw(self, title: str) -> None:
        """Draw `reward.png` and `losses.png` beside the file, with this title."""
        # Here, because matplotlib takes a while to import and a run starts without it.
        from trainers.records.plots import draw_plots

        draw_plots(self._rows, self.path.parent, title)

    def _take_over(self, resumed_step: int) -> None:
        """Go on with the lines up to a step. A file that cannot be read is kept under another name."""
        try:
            rows, self._columns = read_progress(self.path)
        except (OSError, ValueError, csv.Error) as error:
            self.note = f"{self.path} cannot be read ({joined_lines(error)}): {set_aside(self.path)}"
            return
        self._rows = [row for row in rows if int(row["step"]) <= resumed_step]
        self.earlier_seconds = float(self._rows[-1]["seconds"]) if self._rows else 0.0


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows of cells as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def read_progress(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Read a `progress.csv`.

    Returns:
        Its lines by column, and the columns.

    Raises:
        OSError: the system refuses.
        ValueError: a column or a cell is not what `CsvReport` writes; the message names the line.
        csv.Error: it is not CSV.
    """
    with path.open(newline="", encoding="utf-8-sig") as stream:
        columns, *lines = list(csv.reader(stream, strict=True)) or [[]]
    if tuple(columns[:2]) != PLACE or len(set(columns)) < len(columns):
        raise ValueError(f"expected the columns {', '.join(PLACE)} and tags, each once")
    before = 0
    for number, cells in enumerate(lines, 2):
        if len(cells) != len(columns):
            raise ValueError(f"line {number} has {len(cells)} cells, the header {len(columns)}")
        step, seconds, *values = cells
        numbers = [float(value) for value in (seconds, *values) if value]
        if not (before <= int(step) and seconds and 0 <= numbers[0] < float("inf")):
            raise ValueError(f"line {number}: step {step[:20]} after {before}, seconds {seconds[:20]}")
        before = int(step)
    return [dict(zip(columns, cells, strict=True)) for cells in lines], columns


def is_summary(row: Mapping[str, str]) -> bool:
    """Whether a line of `progress.csv` is of a summary, and not of an evaluation alone."""
    return any(cell and tag not in PLACE and not tag.startswith(EVALUATION) for tag, cell in row.items())


def console_line(summary: Summary) -> str:
    """ML-Agents' summary line."""
    start = f"{summary.behavior}. Step: {summary.step}. Time Elapsed: {summary.elapsed:.3f} s. "
    state = "Training." if summary.training else "Not Training."
    if not summary.returns:
        return f"{start}No episode was completed since last summary. {state}"
    mean, std = np.mean(summary.returns), np.std(summary.returns)
    group = summary.values.get(GROUP_REWARD)
    middle = "" if group is None else f"Mean Group Reward: {group:.3f}. "
    rating = f" ELO: {summary.values[ELO]:.3f}." if ELO in summary.values else ""
    return f"{start}Mean Reward: {mean:.3f}. {middle}Std of Reward: {std:.3f}. {state}{rating}"


def set_aside(path: Path) -> str:
    """Rename a file that cannot be gone on with, and return what is done with it in words.

    Raises:
        UserError: the system refuses.
    """
    names = (path.with_name(f"{path.stem}.damaged-{count}{path.suffix}") for count in itertools.count(1))
    kept = next(name for name in names if not name.exists())
    with refusal_named(path):
        path.replace(kept)
    return f"it is kept as {kept.name}, and a new one begins"
