"""Summaries written to TensorBoard, to `progress.csv` with its plots, and as a line for the console."""

import csv
import io
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from trainers.records.checkpoint import write_text
from trainers.records.metrics import EPISODE_LENGTH, GROUP_REWARD, REWARD, SPEED, Summary

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
        from torch.utils.tensorboard import SummaryWriter

        purge_step = None if resumed_step is None else resumed_step + 1
        self._open = partial(SummaryWriter, str(folder))
        self._writer: SummaryWriter | None = self._open(purge_step=purge_step)
        self._writer.add_text("Hyperparameters", f"```yaml\n{hyperparameters}\n```")

    def write(self, summary: Summary) -> None:
        """Add every value as a scalar, and every histogram.

        Raises:
            OSError: the file could not be written. TensorBoard's writer has ended then; the next summary begins
                another file.
        """
        writer, self._writer = self._writer or self._open(), None
        for tag, value in summary.values.items():
            writer.add_scalar(tag, value, summary.step)
        for tag, values in summary.histograms.items():
            shown = np.asarray(values, np.float64)
            shown = shown[np.isfinite(shown)].clip(-LARGEST_SHOWN, LARGEST_SHOWN)
            if len(shown):
                writer.add_histogram(tag, shown, summary.step)
        writer.flush()
        self._writer = writer

    def close(self) -> None:
        """Close the file; `write` has flushed every summary already."""
        if self._writer is not None:
            with suppress(OSError):  # only the settings can be unwritten
                self._writer.close()


class CsvReport:
    """Writes `progress.csv`, one line for each summary, and draws the two plots of it.

    The columns are agent steps, seconds of the run, and tags. A cell is empty if its tag had no value.

    Args:
        folder: the behavior's folder.
        resumed_step: the agent step that a resumed run goes on from, later lines are dropped; None for a new run.

    Attributes:
        earlier_seconds: seconds of the run before this session.
    """

    def __init__(self, folder: Path, resumed_step: int | None) -> None:
        self.path = folder / "progress.csv"
        self._rows: list[dict[str, str]] = []
        self._columns = ["step", "seconds", *CSV_TAGS]
        self.earlier_seconds = 0.0
        if resumed_step is not None and self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as stream:
                reader = csv.DictReader(stream)
                rows = [row for row in reader if int(row["step"]) <= resumed_step]
            self._rows, self._columns = rows, list(reader.fieldnames or self._columns)
            self.earlier_seconds = float(rows[-1]["seconds"]) if rows else 0.0

    def write(self, summary: Summary) -> None:
        """Add a line; the whole file is replaced atomically.

        Raises:
            OSError: the file could not be written. The next call writes this line too.
        """
        row = {tag: f"{value:.6g}" for tag, value in summary.values.items()}
        seconds = self.earlier_seconds + summary.elapsed
        self._rows.append({"step": str(summary.step), "seconds": f"{seconds:.1f}", **row})
        for tag in row:
            if tag not in self._columns:
                self._columns.append(tag)
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_text(self.path, text.getvalue())

    def draw(self, title: str) -> None:
        """Draw `reward.png` and `losses.png` beside the file, with this title."""
        # Here, because matplotlib takes a while to import and a run starts without it.
        from trainers.records.plots import draw_plots

        draw_plots(self._rows, self.path.parent, title)


def console_line(summary: Summary) -> str:
    """ML-Agents' summary line."""
    start = f"{summary.behavior}. Step: {summary.step}. Time Elapsed: {summary.elapsed:.3f} s. "
    state = "Training." if summary.training else "Not Training."
    if not summary.returns:
        return f"{start}No episode was completed since last summary. {state}"
    mean, std = np.mean(summary.returns), np.std(summary.returns)
    group = summary.values.get(GROUP_REWARD)
    middle = "" if group is None else f"Mean Group Reward: {group:.3f}. "
    return f"{start}Mean Reward: {mean:.3f}. {middle}Std of Reward: {std:.3f}. {state}"
