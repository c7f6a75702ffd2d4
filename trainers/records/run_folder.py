"""The folder of a run: its name, whether it may be used, and which behaviors it holds."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gym_adapters.errors import UserError
from trainers.config import CheckpointSettings, RunSettings
from trainers.records.checkpoint import read_status
from trainers.records.names import MOST_LETTERS, behavior_folder, file_name, is_portable

CONFIGURATION = "configuration.yaml"
STATUS = Path("run_logs", "training_status.json")


def with_run_id(settings: RunSettings) -> RunSettings:
    """The settings with a run id: their own, or one made of the environment's name and the time."""
    checkpoints = settings.checkpoint_settings
    if checkpoints.run_id is not None:
        return settings
    env_path = settings.env_settings.env_path
    name = file_name(Path(env_path).stem if env_path else next(iter(settings.behaviors), "run"))
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    ids = (f"{stem}-{count}" if count > 1 else stem for count in range(1, 1000))
    run_id = next(run_id for run_id in ids if not Path(checkpoints.results_dir, run_id).exists())
    checkpoints = checkpoints.model_copy(update={"run_id": run_id})
    return settings.model_copy(update={"checkpoint_settings": checkpoints})


@contextmanager
def claimed_folder(checkpoints: CheckpointSettings) -> Iterator[None]:
    """Make the run's folder, for the block in which the run goes on.

    With `force`, a run of the same name is moved aside first. When the block ends, that run is deleted, or moved back
    if the new run never began. A folder that is still empty is removed.

    Raises:
        UserError: the run id is no portable name, a folder is in the way, or there is nothing to resume.
    """
    folder = _checked(checkpoints)
    aside = folder.with_name(f".{folder.name}.replaced")
    replaces = not checkpoints.resume and folder.exists() and any(folder.iterdir())
    if replaces:
        shutil.rmtree(aside, ignore_errors=True)
        folder.replace(aside)
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--results-dir: cannot make {folder}: {error.strerror}") from error
        yield
    finally:
        with suppress(OSError):
            folder.rmdir()  # works on an empty folder only
        began = any(folder.glob("*/events.out.tfevents.*"))
        if replaces and not began:
            shutil.rmtree(folder, ignore_errors=True)
            aside.replace(folder)
        elif replaces:
            shutil.rmtree(aside, ignore_errors=True)


def behaviors_by_folder(run: Path) -> dict[str, str]:
    """The behaviors that a run's `training_status.json` names, by the names of their folders.

    Raises:
        UserError: the file is not JSON.
    """
    return {behavior_folder(run, name).name: name for name in read_status(run / STATUS)}


def _checked(checkpoints: CheckpointSettings) -> Path:
    """The run's folder; a `UserError` if these settings may not use it."""
    run_id = str(checkpoints.run_id)
    if not is_portable(run_id):
        raise UserError(
            f"--run-id {run_id[:60]!r}: expected a folder name that Linux, macOS and Windows take: at most "
            f"{MOST_LETTERS} letters, no slash, colon or the like, no dot or space at the end"
        )
    folder = Path(checkpoints.results_dir, run_id)
    is_run = (folder / CONFIGURATION).is_file()
    if checkpoints.resume:
        if not is_run:
            raise UserError(f"--resume: there is no run {folder}; check --run-id and --results-dir")
    elif folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        if not checkpoints.force:
            raise UserError(
                f"{folder} exists already; use --resume to go on with it, --force to overwrite it, "
                "or another --run-id"
            )
        if not is_run:
            raise UserError(
                f"--force: {folder} is no run folder, so it is left alone; choose another --run-id"
            )
    return folder
