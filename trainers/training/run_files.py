"""The files of a run: settings, summaries, checkpoints, status and timers."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import yaml

from gym_adapters.errors import UserError, refusal_named
from trainers.algorithms.learner import Learner
from trainers.config import RunSettings, dump_settings
from trainers.records.checkpoint import read_status, write_text
from trainers.records.progress import Display
from trainers.records.run_folder import CONFIGURATION, STATUS
from trainers.records.timers import TimerTree
from trainers.training.recorder import Recorder


class RunFiles:
    """Writes a run's folder. What the system refuses to write (a full disk, another program's lock) ends nothing.

    Args:
        settings: the resolved training file; its `checkpoint_settings.run_id` is set.
        display: is told what could not be written.
        timers: of the run.

    Attributes:
        folder: the run's folder.
        status: the content of `training_status.json`.
        unsaved: behaviors whose newest checkpoint could not be written; likewise `unexported`, the `.onnx`.
    """

    def __init__(self, settings: RunSettings, display: Display, timers: TimerTree) -> None:
        checkpoints = settings.checkpoint_settings
        self.settings, self.display, self.timers = settings, display, timers
        # absolute, because an environment may change the current folder
        self.folder = Path(checkpoints.results_dir, str(checkpoints.run_id)).absolute()
        self._status_path = self.folder / STATUS
        self.status: dict[str, Any] = read_status(self._status_path) if checkpoints.resume else {}
        self.unsaved: set[str] = set()
        self.unexported: set[str] = set()

    def record(self, learner: Learner) -> Recorder:
        """The recorder of a learner, which goes on from its newest checkpoint if the run is resumed.

        Raises:
            UserError: there is nothing to resume, or it does not fit, or the folder cannot be written to.
        """
        return Recorder(
            learner,
            self.folder,
            yaml.safe_dump(learner.settings.model_dump(mode="json"), sort_keys=False),
            self.status.get(learner.name, {}),
            self.settings.checkpoint_settings.resume,
            self.settings if self.settings.wandb else None,
        )

    def summarise(self, recorder: Recorder) -> None:
        """Show and write what a behavior did since its last summary, if anything."""
        summary = recorder.summarise(self.timers.elapsed)
        if summary is not None:
            self.display.summarise(summary)
            with self._kept_going(f"the summary of {summary.behavior}"):
                recorder.write(summary)

    def checkpoint(self, recorder: Recorder, lessons: Mapping[str, Mapping[str, float]]) -> None:
        """Write a behavior's checkpoint, its `.onnx`, the run's status with the present lessons, and the plots.

        Each is written even if another one is refused.
        """
        name = recorder.learner.name
        self.unsaved.add(name)
        self.unexported.add(name)
        with self.timers("checkpoint"):
            with self._kept_going(f"the checkpoint of {name} at {recorder.learner.step:,}"):
                recorder.save()
                self.unsaved.remove(name)
            if name not in self.unsaved:
                with self._kept_going(f"the .onnx of {name}"):
                    recorder.export()
                    self.unexported.remove(name)
                with self._kept_going(STATUS.name):
                    self._write_status(recorder, lessons)
            with self._kept_going(f"the plots of {name}"):
                recorder.draw()

    def _write_status(self, recorder: Recorder, lessons: Mapping[str, Mapping[str, float]]) -> None:
        self.status[recorder.learner.name] = recorder.status()
        for parameter, lesson in lessons.items():
            self.status.setdefault(parameter, {}).update(lesson)
        self.status["metadata"] = {
            "stats_format_version": "0.3.0",
            "mlagents_version": metadata.version("mlagents-envs"),
            "torch_version": torch.__version__,
        }
        if not (self.folder / CONFIGURATION).is_file():  # somebody deleted the run's folder
            self.write_configuration()
        write_text(self._status_path, json.dumps(self.status, indent=4))

    def write_configuration(self) -> None:
        """Write the settings as resolved.

        Raises:
            UserError: the system refuses.
        """
        path = self.folder / CONFIGURATION
        with refusal_named(path):
            write_text(path, dump_settings(self.settings))

    def require_saved(self) -> None:
        """Refuse to end as if all was written.

        Raises:
            UserError: the last checkpoint or `.onnx` of a behavior could not be written.
        """
        if self.unsaved:
            raise UserError(
                f"{self.folder}: the last checkpoint of {', '.join(sorted(self.unsaved))} could not be written, for "
                "the reason above; make room for it, then --resume goes on from the one before, if there is one"
            )
        if self.unexported:
            raise UserError(
                f"{self.folder}: the last .onnx of {', '.join(sorted(self.unexported))} could not be written, for the "
                f"reason above; make room for it, then: python -m bridge.onnx_export {self.folder}"
            )

    def close(self, recorders: Sequence[Recorder]) -> None:
        """Write the timers; without any recorder, free the name of a run that never began."""
        if not recorders:
            self._withdraw()
            return
        with self._kept_going("run_logs/timers.json"):
            tree: dict[str, Any] = self.timers.as_dict()
            tree["gauges"] = {key: value for one in recorders for key, value in one.gauges.items()}
            tree["metadata"] = {"torch_version": torch.__version__}
            write_text(self.folder / "run_logs" / "timers.json", json.dumps(tree, indent=4))

    @contextmanager
    def _kept_going(self, what: str) -> Iterator[None]:
        """Say what the system refuses to write, and go on."""
        try:
            yield
        except OSError as error:
            self.display.say(f"Not written: {what} ({error})")

    def _withdraw(self) -> None:
        """Remove the folder, unless something worth reading was written."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        if not self.settings.checkpoint_settings.resume and files == [self.folder / CONFIGURATION]:
            shutil.rmtree(self.folder)
