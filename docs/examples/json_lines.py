"""Writes the summaries of a run to a file that other programs can follow."""

import json

from trainers import Callback, Moment
from trainers.config import RunSettings


class JsonLines(Callback):
    """Adds each summary to `summaries.jsonl` in the behavior's folder, as one line of JSON."""

    def __init__(self, settings: RunSettings) -> None:
        self.run_id = settings.checkpoint_settings.run_id

    def summary(self, moment: Moment) -> None:
        """A summary was written."""
        line = {"run": self.run_id, "behavior": moment.behavior, "step": moment.step, **moment.figures}
        with (moment.folder / "summaries.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
