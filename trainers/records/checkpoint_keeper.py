"""The checkpoints of a behavior: which are kept, and their list."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gym_adapters.files import write_atomically
from trainers.records.checkpoint import BEST, NEWEST, save_state
from trainers.records.names import behavior_folder


class CheckpointKeeper:
    """Writes the checkpoints of one behavior and keeps their list for `training_status.json`.

    Args:
        run_folder: `runs/<run-id>`.
        behavior: behavior name.
        keep: how many checkpoints by step to keep (ML-Agents key `keep_checkpoints`).

    Attributes:
        folder: the behavior's folder in the run. File names of checkpoints begin with the folder's name.
        entries: the list, oldest checkpoint first.
    """

    def __init__(self, run_folder: Path, behavior: str, keep: int) -> None:
        self.folder = behavior_folder(run_folder, behavior)
        self.keep = keep
        self.entries: list[dict[str, Any]] = []

    def save(self, state: dict[str, Any], reward: float | None) -> None:
        """Write `<Behavior>-<step>.pt` and `checkpoint.pt`, and delete the oldest checkpoints beyond `keep`.

        Args:
            state: the whole checkpoint.
            reward: mean return of recent episodes, for the list; None before the first one ended.

        Raises:
            OSError: a file could not be written. The list, and the files on it, stay as they were.
        """
        step = state["global_step"]
        weights = self.folder / f"{self.folder.name}-{step}.pt"
        listed = any(known["steps"] == step for known in self.entries)
        try:
            save_state(self.folder / NEWEST, state)  # first, so that whatever comes next, it can be resumed
            save_state(weights, state)
        except OSError:
            if not listed:
                weights.unlink(missing_ok=True)
            raise
        entry = self._entry(weights, step, reward, time.time())
        self.entries = [known for known in self.entries if known["steps"] != step] + [entry]
        while len(self.entries) > self.keep:
            for path in self._files(self.entries.pop(0)):
                _delete(path)

    def export(self, write: Callable[[Path], None]) -> None:
        """Write the `.onnx` beside the newest checkpoint, and as the run's own.

        Args:
            write: writes the policy as an `.onnx` file.

        Raises:
            OSError: a file could not be written; the checkpoint is kept without.
        """
        entry = self.entries[-1]
        model = self.folder / f"{self.folder.name}-{entry['steps']}.onnx"
        write(model)
        entry["file_path"] = self._relative(model)
        write_atomically(self.final_model, lambda stream: stream.write(model.read_bytes()))

    def save_best(self, state: dict[str, Any]) -> None:
        """Write `best.pt`."""
        save_state(self.folder / BEST, state)

    def status(self) -> dict[str, Any]:
        """The list of checkpoints as this behavior's part of `training_status.json`."""
        if not self.entries:
            return {"checkpoints": []}
        files = {
            "file_path": self._relative(self.final_model),
            "auxillary_file_paths": [self._relative(self.folder / NEWEST)],
        }
        return {"checkpoints": self.entries, "final_checkpoint": {**self.entries[-1], **files}}

    def restore(self, status: dict[str, Any]) -> None:
        """Take over the list of an earlier run, without the entries whose weights are missing.

        A process that is killed while it writes a checkpoint, or deletes one, leaves files that are not on the list.
        They are deleted. Without any list, which the first checkpoint comes before, every numbered file is on it.
        """
        own = re.compile(re.escape(self.folder.name) + r"-(\d+)\.(pt|onnx)")
        entries: list[dict[str, Any]] | None = status.get("checkpoints")
        if entries is None:
            found = [(path, own.fullmatch(path.name)) for path in self.folder.glob("*.pt")]
            entries = [
                self._entry(path, int(match[1]), None, path.stat().st_mtime) for path, match in found if match
            ]
            entries.sort(key=lambda entry: entry["steps"])
        there = {self._relative(path) for path in self.folder.iterdir() if path.is_file()}
        listed = {name for entry in entries for name in _names(entry)}
        for name in there - listed:
            path = self.folder.parent / name
            if own.fullmatch(path.name):
                _delete(path)
        self.entries = [
            entry if entry["file_path"] in there else {**entry, "file_path": entry["auxillary_file_paths"][0]}
            for entry in entries
            if entry["auxillary_file_paths"] and there.issuperset(entry["auxillary_file_paths"])
        ]

    @property
    def final_model(self) -> Path:
        """The newest policy as Unity loads it, `<run>/<Behavior>.onnx`."""
        return self.folder.parent / f"{self.folder.name}.onnx"

    def _entry(self, weights: Path, step: int, reward: float | None, written: float) -> dict[str, Any]:
        """Return what the list says of a numbered checkpoint."""
        model, name = weights.with_suffix(".onnx"), self._relative(weights)
        return {
            "steps": step,
            "file_path": self._relative(model) if model.is_file() else name,
            "reward": reward,
            "creation_time": written,
            "auxillary_file_paths": [name],
        }

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.folder.parent).as_posix()

    def _files(self, entry: dict[str, Any]) -> list[Path]:
        return [self.folder.parent / name for name in _names(entry)]


def _names(entry: dict[str, Any]) -> list[str]:
    """Return the files of a listed checkpoint, relative to the run folder."""
    return [entry["file_path"], *entry["auxillary_file_paths"]]


def _delete(path: Path) -> None:
    """Delete a file that is not on the list. On Windows, one that a program has open stays until the next resume."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
