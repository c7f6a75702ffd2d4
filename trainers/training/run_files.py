"""The files of a run: settings, summaries, checkpoints, status and timers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import torch
import yaml

from gym_adapters.commands import module_command
from gym_adapters.errors import NoModelError, UserError, refusal_named
from gym_adapters.files import write_text
from trainers.algorithms.learner import Learner
from trainers.config import RunSettings, dump_settings
from trainers.config.loader import CONFIGURATION
from trainers.config.run import ONE_START
from trainers.records.metrics import Summary
from trainers.records.origin import COMMAND, SYSTEM, write_origin
from trainers.records.progress import Display
from trainers.records.run_status import STATUS, TIMERS, read_status
from trainers.records.timers import TimerTree
from trainers.training.announcements import evaluation_line
from trainers.training.evaluation import Score
from trainers.training.file_recorder import FileRecorder
from trainers.training.recorder import Recorder


class RunFiles:
    """Writes a run's folder.

    Training continues if a file cannot be written, for example because the disk is full or another program locks the
    file.

    Args:
        settings: the resolved training file; `checkpoint_settings.run_id` is set.
        display: shows what could not be written.
        timers: the run's timers.

    Attributes:
        folder: the run's folder, as an absolute path.
        status: content of `training_status.json`.
        unsaved: behaviors whose newest checkpoint could not be written.
        unexported: behaviors whose newest `.onnx` file could not be written.
        without_model: behaviors whose networks compute what an `.onnx` file cannot hold.
        writes: whether this process writes the files.
    """

    writes = True

    def __init__(self, settings: RunSettings, display: Display, timers: TimerTree) -> None:
        checkpoints = settings.checkpoint_settings
        self.settings, self.display, self.timers = settings, display, timers
        self.folder = checkpoints.folder.absolute()  # an environment may change the current folder
        self._status_path = self.folder / STATUS
        self.status: dict[str, Any] = {}
        if checkpoints.resume and self.writes:
            self.status = read_status(self._status_path)
        self.unsaved: set[str] = set()
        self.unexported: set[str] = set()
        self.without_model: set[str] = set()
        self._begun = False

    def record(self, learner: Learner, spaces: list[dict[str, Any]] | None = None) -> Recorder:
        """Return the recorder of a learner, and say what there is to know of it.

        If the run is resumed, it continues from the newest checkpoint.

        Args:
            learner: the learner of a behavior.
            spaces: descriptions of its observation and action space, if it comes from Gymnasium.

        Raises:
            UserError: there is no checkpoint to resume, or it does not fit, or the folder cannot be written.
        """
        monitors = self.settings.monitor and not self.settings.checkpoint_settings.inference
        recorder = FileRecorder(
            learner,
            self.folder,
            yaml.safe_dump(learner.settings.model_dump(mode="json"), sort_keys=False),
            self.status.get(learner.name, {}),
            self.settings.checkpoint_settings.resume,
            self.settings if self.settings.wandb else None,
            spaces,
            (self.settings.env_settings.env_path or learner.name) if monitors else None,
        )
        for note in recorder.notes:
            self.display.say(f"{learner.name}: {note}")
        if recorder.wandb is not None:
            self.display.say(f"{learner.name} is logged to {recorder.wandb.place}")
        return recorder

    def monitor(self, recorder: Recorder) -> None:
        """Write the episodes of a behavior that have just ended, if the settings say so."""
        if self.settings.monitor:
            with self._failure_reported(f"the episodes of {recorder.learner.name}"):
                recorder.monitor()

    def summarise(self, recorder: Recorder) -> Summary | None:
        """Show, write and return what a behavior did since its last summary; None if that is nothing."""
        summary = recorder.summarise(self.timers.elapsed)
        if summary is not None:
            self.display.summarise(summary)
            with self._failure_reported(f"the summary of {summary.behavior}"):
                recorder.write(summary)
        return summary

    def evaluate(self, recorder: Recorder, score: Score) -> None:
        """Show and write the score of a behavior in an evaluation."""
        summary = recorder.evaluated(score.values, self.timers.elapsed)
        self.display.say(evaluation_line(summary, score))
        with self._failure_reported(f"the evaluation of {summary.behavior}"):
            recorder.write(summary)

    def checkpoint(self, recorder: Recorder, standing: Mapping[str, Mapping[str, Any]]) -> None:
        """Write a behavior's checkpoint, its `.onnx` file, the run's status and the plots.

        Each is written even if another one cannot be.

        Args:
            recorder: the recorder of the behavior.
            standing: the entries of `training_status.json` that are not about one behavior: the lesson of each
                parameter, and which team learns.
        """
        name = recorder.learner.name
        self.unsaved.add(name)
        self.unexported.add(name)
        with self.timers("checkpoint"):
            with self._failure_reported(f"the checkpoint of {name} at {recorder.learner.step:,}"):
                recorder.save()
                self.unsaved.remove(name)
            if name not in self.unsaved:
                with self._failure_reported(f"the .onnx of {name}"):
                    self._export(recorder)
                    self.unexported.remove(name)
                with self._failure_reported(STATUS.name):
                    self._write_status(recorder, standing)
            with self._failure_reported(f"the plots of {name}"):
                recorder.draw()

    def _export(self, recorder: Recorder) -> None:
        """Write the `.onnx` file of the newest checkpoint, if there can be one."""
        if recorder.learner.name in self.without_model:
            return
        try:
            recorder.export()
        except NoModelError as error:
            self.without_model.add(recorder.learner.name)
            self.display.say(f"{error}; training goes on without")

    def _write_status(self, recorder: Recorder, standing: Mapping[str, Mapping[str, Any]]) -> None:
        self.status[recorder.learner.name] = recorder.status()
        for name, entry in standing.items():
            self.status.setdefault(name, {}).update(entry)
        self.status["metadata"] = self.status.get("metadata", {}) | {
            "stats_format_version": "0.3.0",
            "mlagents_version": metadata.version("mlagents-envs"),
            "torch_version": torch.__version__,
        }
        if not (self.folder / CONFIGURATION).is_file():  # the run's folder was deleted
            self.write_configuration()
        write_text(self._status_path, json.dumps(self.status, indent=4))

    def begin(self) -> None:
        """Write the resolved settings, and how this start was made.

        Raises:
            UserError: the settings cannot be written.
        """
        self.write_configuration()
        if not self._begun:
            self._begun = True
            with self._failure_reported(f"{COMMAND.name} and {SYSTEM.name}"):
                write_origin(self.folder)

    def write_configuration(self) -> None:
        """Write the resolved settings, without the keys that are about one start of the run.

        Raises:
            UserError: the file cannot be written.
        """
        path = self.folder / CONFIGURATION
        lasting = self.settings.changed(checkpoint_settings=dict.fromkeys(ONE_START, False))
        with refusal_named(path):
            write_text(path, dump_settings(lasting))

    def require_saved(self) -> None:
        """Require that all newest checkpoints and `.onnx` files could be written.

        Raises:
            UserError: the last checkpoint or `.onnx` file of a behavior could not be written.
        """
        if self.unsaved:
            raise UserError(
                f"{self.folder}: the last checkpoint of {', '.join(sorted(self.unsaved))} could not be written, for "
                "the reason above; remove the cause, then use --resume to continue from the checkpoint before, if any"
            )
        if self.unexported:
            raise UserError(
                f"{self.folder}: the last .onnx of {', '.join(sorted(self.unexported))} could not be written, for the "
                f"reason above; remove the cause, then run: {module_command('bridge.onnx_export', self.folder)}"
            )

    def close(self, recorders: Sequence[Recorder]) -> None:
        """Write the timers, unless the run never began, so that there is no recorder, or was only watched."""
        if not recorders or self.settings.checkpoint_settings.watches:
            return
        with self._failure_reported(TIMERS.as_posix()):
            tree: dict[str, Any] = self.timers.as_dict()
            tree["gauges"] = {key: value for recorder in recorders for key, value in recorder.gauges.items()}
            tree["metadata"] = {"torch_version": torch.__version__}
            write_text(self.folder / TIMERS, json.dumps(tree, indent=4))

    @contextmanager
    def _failure_reported(self, what: str) -> Iterator[None]:
        """Report a file that cannot be written, and continue."""
        try:
            yield
        except OSError as error:
            self.display.say(f"Not written: {what} ({error})")
