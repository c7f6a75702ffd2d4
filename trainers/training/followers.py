"""What ranks other than the first have in place of files: they count along with rank 0, and write and say nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from trainers.algorithms.learner import Learner
from trainers.records.names import behavior_folder
from trainers.records.progress import LineDisplay
from trainers.training.recorder import Recorder
from trainers.training.run_files import RunFiles


class Silence(LineDisplay):
    """A display that shows nothing."""

    def say(self, text: str) -> None:
        """See `Display.say`."""


class FollowerFiles(RunFiles):
    """The files of a run as seen by a rank that does not write them."""

    writes = False

    def record(self, learner: Learner, spaces: list[dict[str, Any]] | None = None) -> Recorder:
        """See `RunFiles.record`; the learner has the state of rank 0's."""
        folder = behavior_folder(self.folder, learner.name)
        return Recorder(learner, folder, self.status.get(learner.name, {}))

    def begin(self) -> None:
        """See `RunFiles.begin`."""

    def close(self, recorders: Sequence[Recorder]) -> None:
        """See `RunFiles.close`."""

    def _write_status(self, recorder: Recorder, standing: Mapping[str, Mapping[str, Any]]) -> None:
        pass
