"""The file that TensorBoard reads."""

import io
import itertools
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

VERSION = "brain.Event:2"
_POSITIVE = 1e-12 * 1.1 ** np.arange(774)
BINS = np.concatenate([-_POSITIVE[::-1], [0.0], _POSITIVE]).tolist()
"""The edges of TensorBoard's own histograms, up to 1e20."""

_NAME, _DIGITS = "events.out.tfevents.", 10

_numbers = itertools.count()


class EventFile:
    """One `events.out.tfevents.*`, opened for each summary and closed again.

    The writers of TensorBoard and torch write in a thread, which prints its traceback when the system refuses. It is
    the last file of the folder by name, the order in which TensorBoard reads, even if the clock was set back.

    Args:
        folder: the behavior's folder; it is made if need be.
        purge_step: TensorBoard hides what earlier files have from this agent step on; None hides nothing.

    Raises:
        OSError: the system refuses, in every method.
    """

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        place = f"{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self.path = folder / f"{_NAME}{_next_stamp(folder):010d}.{place}"
        self.path.touch(exist_ok=False)
        self._append(Event(file_version=VERSION))
        if purge_step is not None:
            self._append(Event(step=purge_step, session_log=SessionLog(status=SessionLog.START)))

    def write(self, step: int, scalars: Mapping[str, float], histograms: Mapping[str, np.ndarray]) -> None:
        """Write values and distributions, (n,) each, of one agent step, by tag."""
        from torch.utils.tensorboard.summary import histogram

        found = [
            Summary(value=[Summary.Value(tag=tag, simple_value=value)]) for tag, value in scalars.items()
        ]
        found += [histogram(tag, values, BINS) for tag, values in histograms.items()]
        self._append(*(Event(step=step, summary=summary) for summary in found))

    def write_text(self, tag: str, text: str) -> None:
        """Write text in Markdown."""
        from torch.utils.tensorboard import summary

        self._append(Event(summary=summary.text(tag, text)))

    def _append(self, *events: Event) -> None:
        content = io.BytesIO()
        records = RecordWriter(content)
        for event in events:
            event.wall_time = time.time()
            records.write(event.SerializeToString())
        with self.path.open("r+b") as stream:
            stream.seek(0, io.SEEK_END)
            stream.write(content.getvalue())


def _next_stamp(folder: Path) -> int:
    """Return the present time in seconds, or one more than the stamp of a file that would come after it."""
    ends = (path.name.removeprefix(_NAME).partition(".")[0] for path in folder.glob(f"{_NAME}*"))
    stamps = (int(end) for end in ends if len(end) == _DIGITS and end.isdecimal())
    return max(int(time.time()), *(stamp + 1 for stamp in stamps), 0)
