"""The folder of a run: its name, whether it may be used, and which behaviors it holds."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gym_adapters.commands import option, shell_line
from gym_adapters.errors import UserError
from gym_adapters.files import DRAFT
from gym_adapters.make import behavior_name
from trainers.config import CheckpointSettings, RunSettings
from trainers.config.loader import CONFIGURATION
from trainers.records.names import MOST_LETTERS, behavior_folder, file_name, is_portable
from trainers.records.run_lock import locked
from trainers.records.run_status import PROGRESS, STATUS, read_status

ASIDE = ".replaced"
"""Beside the runs: where `force` moves a run until the new one of that name has saved something."""


@contextmanager
def with_run_id(settings: RunSettings) -> Iterator[RunSettings]:
    """Yield the settings with a run id: their own, or one made of the environment's name and the time.

    The latter is that of an empty folder which is made here, so that no other process chooses it too. If it is still
    empty when the block ends, it is deleted.

    Raises:
        UserError: a run is to be resumed, and it is not said which.
    """
    checkpoints = settings.checkpoint_settings
    if checkpoints.run_id is not None:
        yield settings
        return
    if checkpoints.resume:
        newest = _newest(Path(checkpoints.results_dir))
        raise UserError(f"--resume needs --run-id, the name of the run that goes on{newest}")
    env_path = settings.env_settings.env_path
    place = (env_path or "").rstrip("/\\")  # as a shell completes the folder of an app
    name = file_name(Path(behavior_name(place)).stem if place else next(iter(settings.behaviors), "run"))
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    ids = (f"{stem}-{count}" if count > 1 else stem for count in range(1, 1000))
    results = Path(checkpoints.results_dir).absolute()  # an environment may change the current folder
    new = [folder for folder in (results, *results.parents) if not _is_there(folder)]
    run_id = next(run_id for run_id in ids if _makes(results / run_id))
    try:
        yield settings.changed(checkpoint_settings={"run_id": run_id})
    finally:
        with suppress(OSError):
            for folder in (results / run_id, *new):
                folder.rmdir()  # works on an empty folder only


def _makes(folder: Path) -> bool:
    """Make a folder, and return whether it was not there. Where none can be made, `claimed_folder` says why."""
    try:
        folder.mkdir(parents=True)
    except (OSError, ValueError):
        return not _is_there(folder)
    return True


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # it may not be asked
        return False


@contextmanager
def claimed_folder(checkpoints: CheckpointSettings) -> Iterator[None]:
    """Make the run's folder, and keep every other process out of it, for the block in which the run goes on.

    The folder may be a link to one elsewhere. With `force`, a run of the same name is moved aside first. When the block
    ends, that run is deleted, or moved back if the new run has saved no checkpoint. A new run with neither a checkpoint
    nor a summary nor a player's log leaves no folder.

    Raises:
        UserError: the run id is no portable name, a folder is in the way, another process writes the run, or there is
            nothing to resume.
    """
    named = _named(checkpoints).absolute()  # an environment may change the current folder
    with locked(named):
        # the runs beside a link's target are on its disk, and the link stays
        folder = named.resolve() if named.is_symlink() else named
        aside = folder.parent / ASIDE / folder.name
        with _refusal_of(folder):
            if aside.exists():  # a process was killed between moving a run aside and saving another one
                _settle(folder, aside)
            _check(folder, checkpoints)
            _sweep(folder)
            if not checkpoints.resume and _is_used(folder):
                aside.parent.mkdir(exist_ok=True)
                folder.replace(aside)
        try:
            with _refusal_of(folder):
                folder.mkdir(parents=True, exist_ok=True)
            yield
        finally:
            if not checkpoints.resume and not _worth_keeping(folder):
                shutil.rmtree(folder, ignore_errors=True)
            if aside.exists():
                _settle(folder, aside)


@contextmanager
def _refusal_of(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"--results-dir: cannot use {folder!s:.300}: {error.strerror or error}; choose another place"
        ) from error


def has_checkpoint(folder: Path) -> bool:
    """Whether a run has saved anything to go on from."""
    return any(folder.glob("*/*.pt"))


def _worth_keeping(folder: Path) -> bool:
    return has_checkpoint(folder) or any((*folder.glob(f"*/{PROGRESS}"), *folder.glob("run_logs/*.log")))


def _settle(folder: Path, aside: Path) -> None:
    """Keep one of two runs of the same name: the one that was moved aside if the new one has saved nothing.

    Of two starts that failed, the new one is kept, because its error named the player's log.
    """
    if has_checkpoint(folder) or (_worth_keeping(folder) and not has_checkpoint(aside)):
        shutil.rmtree(aside, ignore_errors=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        aside.replace(folder)
    with suppress(OSError):
        aside.parent.rmdir()  # works on an empty folder only


def _sweep(folder: Path) -> None:
    """Delete the drafts that a killed process left; nobody else writes this folder now."""
    drafts = f".*{DRAFT}"
    for draft in (*folder.glob(drafts), *folder.glob(f"*/{drafts}")):
        draft.unlink(missing_ok=True)


def behaviors_by_folder(run: Path) -> dict[str, str]:
    """The behaviors that a run's `training_status.json` names, by the names of their folders.

    Raises:
        UserError: the file is damaged.
    """
    return {behavior_folder(run, name).name: name for name in read_status(run / STATUS)}


def _named(checkpoints: CheckpointSettings) -> Path:
    """The run's folder; a `UserError` if its name will not do."""
    run_id = str(checkpoints.run_id)
    if not is_portable(run_id) or run_id.startswith("."):
        raise UserError(
            f"--run-id {run_id[:60]!r}: expected a folder name that Linux, macOS and Windows take: at most "
            f"{MOST_LETTERS} letters, no slash, colon or the like, no dot at the start, no dot or space at the end"
            f"{_as_run(run_id)}"
        )
    return checkpoints.folder


def _as_run(run_id: str) -> str:
    """Return the options that name a run whose path was given as its id; empty if it is no path of a run."""
    path = Path(run_id)
    with suppress(OSError, ValueError):
        if (path / CONFIGURATION).is_file():
            options = [*option("--results-dir", path.parent), *option("--run-id", path.name)]
            return f"; that run is {shell_line(*options)}"
    return ""


def _check(folder: Path, checkpoints: CheckpointSettings) -> None:
    """Refuse a folder that these settings may not use."""
    is_run = (folder / CONFIGURATION).is_file()
    if checkpoints.resume:
        if not is_run and has_checkpoint(folder):
            raise UserError(
                f"--resume: {folder / CONFIGURATION} is missing; copy the run's training file there, under this name"
            )
        if not is_run:
            newest = _newest(folder.parent)
            raise UserError(f"--resume: there is no run {folder}; check --run-id and --results-dir{newest}")
    elif _is_used(folder):
        if is_run and not has_checkpoint(folder):
            return  # a start that failed
        if not checkpoints.force:
            raise UserError(
                f"{folder} exists already; use --resume to go on with it, --force to overwrite it, "
                "or another --run-id"
            )
        if not is_run:
            raise UserError(
                f"--force: {folder} is no run folder, so it is left alone; choose another --run-id"
            )


def _newest(results: Path) -> str:
    """Return the end of a sentence that names the run that began last; empty if there is none."""
    try:
        runs = [(file.stat().st_mtime, file.parent.name) for file in results.glob(f"[!.]*/{CONFIGURATION}")]
    except (OSError, ValueError):  # no such place, or no name of one
        runs = []
    return f"; the newest in {results} is {max(runs)[1]}" if runs else ""


def _is_used(folder: Path) -> bool:
    """Whether there is a file, or a folder with something in it besides the half-written first file of a run."""
    return folder.exists() and any(
        not path.match(f".{CONFIGURATION}.*{DRAFT}")
        for path in (folder.iterdir() if folder.is_dir() else [folder])
    )
