"""Training from Python: `from trainers import train`."""

import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mlagents_envs.base_env import BaseEnv

from gym_adapters.errors import UserError
from trainers.config import CheckpointSettings, RunSettings, check_supported, load_settings
from trainers.progress import Display, make_display
from trainers.recorder import Outcome
from trainers.run import run
from trainers.session import Session

RANDOM_SEEDS = 10000


def train(
    env: BaseEnv | Callable[[RunSettings], BaseEnv],
    options: Path | str | Mapping[str, Any] | RunSettings | None = None,
    *,
    overrides: Sequence[str] = (),
    display: Display | None = None,
) -> dict[str, Outcome]:
    """Train every behavior of an environment and write a run folder.

    Args:
        env: any `BaseEnv`, or a function that makes one from the resolved settings (its
            `env_settings.seed` is then a number). It is closed at the end.
        options: the training file: a path, YAML text, a dictionary, or settings already loaded; None takes
            ML-Agents' defaults for every behavior.
        overrides: `KEY=VALUE` strings laid over it, such as `behaviors.Walker.max_steps=1e6`.
        display: where progress is shown; None picks a live display on a terminal and lines elsewhere.

    Returns:
        What was reached, by behavior name.

    Raises:
        UserError: bad settings, a run folder in the way, a checkpoint that does not fit, or an environment that
            gives numbers that are not finite. Checkpoints already written stay as they are.
    """
    settings = options if isinstance(options, RunSettings) else load_settings(options, overrides)
    check_supported(settings)
    settings = _with_seed(settings)
    settings = _with_run_folder(settings)
    if settings.torch_settings.num_threads is not None:
        torch.set_num_threads(settings.torch_settings.num_threads)
    session = Session(settings, display or make_display())
    environment: BaseEnv | None = None
    try:
        environment = env if isinstance(env, BaseEnv) else env(settings)
        with _stop_on_signals(session):
            run(environment, session)
    except BaseException:
        session.close(save=False)
        raise
    finally:
        if environment is not None:
            environment.close()
    return session.close()


def _with_seed(settings: RunSettings) -> RunSettings:
    if settings.env_settings.seed != -1:
        return settings
    seed = random.SystemRandom().randrange(RANDOM_SEEDS)
    return settings.model_copy(
        update={"env_settings": settings.env_settings.model_copy(update={"seed": seed})}
    )


def _with_run_folder(settings: RunSettings) -> RunSettings:
    """Give the run an id if it has none, and see that its folder may be used."""
    checkpoints = settings.checkpoint_settings
    if checkpoints.run_id is None:
        checkpoints = checkpoints.model_copy(update={"run_id": _unique_run_id(settings)})
    _prepare_folder(checkpoints)
    return settings.model_copy(update={"checkpoint_settings": checkpoints})


def _unique_run_id(settings: RunSettings) -> str:
    env_path = settings.env_settings.env_path
    name = Path(env_path).stem if env_path else next(iter(settings.behaviors), "run")
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    results = Path(settings.checkpoint_settings.results_dir)
    taken = (f"{stem}-{count}" if count > 1 else stem for count in range(1, 1000))
    return next(run_id for run_id in taken if not (results / run_id).exists())


def _prepare_folder(checkpoints: CheckpointSettings) -> None:
    run_id = str(checkpoints.run_id)
    if not run_id or Path(run_id).name != run_id or run_id in (".", ".."):
        raise UserError(f"--run-id {run_id!r}: expected a plain name without slashes")
    folder = Path(checkpoints.results_dir, run_id)
    is_run = (folder / "configuration.yaml").is_file()
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
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--results-dir: cannot make {folder}: {error.strerror}") from error


@contextmanager
def _stop_on_signals(session: Session) -> Iterator[None]:
    """SIGINT and SIGTERM end the run after the present step, saved; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: object) -> None:
        if session.stop_requested:
            raise KeyboardInterrupt
        session.stop_requested = True

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
