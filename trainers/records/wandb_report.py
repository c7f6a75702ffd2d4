"""Summaries, settings, code and models sent to Weights & Biases (key `wandb`, option `--wandb PROJECT`)."""

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

from gym_adapters.commands import install_command
from gym_adapters.errors import UserError, refusal_named
from gym_adapters.files import write_text
from gym_adapters.text import first_line, joined_lines
from trainers.config import RunSettings
from trainers.records.metrics import Summary

logger = logging.getLogger(__name__)

CODE = ("bridge", "gym_adapters", "trainers")

ID_FILE = "wandb_id"
"""File in the behavior's folder: the id of its run on Weights & Biases, which a resumed run goes on with."""


def open_wandb() -> ModuleType:
    """Import the package and log in, unless it is offline; on a terminal it asks for the key.

    Raises:
        UserError: it is not installed, or there is no key to log in with.
    """
    try:
        import wandb
    except ImportError as error:
        raise UserError(f"--wandb needs a package; run: {install_command('wandb')}") from error
    try:
        if wandb.setup().settings.mode == "online":
            wandb.login()
    except wandb.errors.Error as error:
        raise UserError(
            f"--wandb: {joined_lines(error)}; run `wandb login`, or set WANDB_MODE=offline"
        ) from error
    return wandb


class WandbReport:
    """One behavior as a run on Weights & Biases, named `<run-id>/<Behavior>`; its step is the agent step.

    Scalars have the tags that they have in TensorBoard. The packages of this project are saved as code. The newest
    policy and the best one are saved as a model. Once it has begun, a failure is said, and ends nothing.

    Args:
        settings: the settings of the whole run; `wandb` names the project.
        folder: the behavior's folder, `<run>/<Behavior>`.
        resume: go on with the run whose id is in `folder`, if there is one.

    Raises:
        UserError: Weights & Biases refuses, or its id cannot be written.
    """

    def __init__(self, settings: RunSettings, folder: Path, resume: bool) -> None:
        self._wandb, self._told = open_wandb(), False
        id_file = folder / ID_FILE
        run_id = id_file.read_text(encoding="utf-8") if resume and id_file.is_file() else secrets.token_hex(4)
        self._folder = folder
        try:
            self._run = self._wandb.init(
                project=settings.wandb,
                id=run_id,
                resume="allow" if resume else None,
                name=f"{folder.parent.name}/{folder.name}",
                group=folder.parent.name,
                dir=str(folder.parent),
                config=settings.model_dump(mode="json"),
                reinit="create_new",
                settings=self._wandb.Settings(console="off", silent=True),
            )
        except self._wandb.errors.Error as error:
            raise UserError(f"--wandb {settings.wandb}: {joined_lines(error)}") from error
        with ExitStack() as undo:
            undo.callback(self.close, [])
            with refusal_named(id_file):
                write_text(id_file, run_id)
            with self._failure_told():
                for package in CODE:
                    self._run.log_code(str(Path(__file__).parents[2] / package), name=f"code-{package}")
            undo.pop_all()

    @property
    def place(self) -> str:
        """The run's address; offline, the folder that `wandb sync` takes."""
        if not self._run.offline:
            return self._run.url or "nowhere (WANDB_MODE=disabled)"
        return f"{Path(self._run.dir).parent} (offline; upload it with: wandb sync)"

    def write(self, summary: Summary) -> None:
        """Log every value under its tag."""
        with self._failure_told():
            self._run.log(summary.values, step=summary.step)

    def close(self, models: Sequence[Path]) -> None:
        """Save the model files that exist as one artifact, and finish the run."""
        files = [path for path in models if path.is_file()]
        with self._failure_told():
            if files:
                artifact = self._wandb.Artifact(self._folder.name, type="model")
                for path in files:
                    artifact.add_file(str(path))
                self._run.log_artifact(artifact)
        with self._failure_told():
            self._run.finish()

    @contextmanager
    def _failure_told(self) -> Iterator[None]:
        """Say once that the package or its process fails. The run has files of its own, and goes on without it."""
        try:
            yield
        except Exception as error:  # the package raises whatever its parts do
            if not self._told:
                self._told = True
                logger.warning(
                    "Weights & Biases fails (%s): the training goes on without it", first_line(error, True)
                )
