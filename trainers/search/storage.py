"""The database of a search, which several processes and machines may share."""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from gym_adapters.errors import UserError
from gym_adapters.text import first_line

BEAT_SECONDS = 10
"""Time between two signs of life of a running trial."""
GRACE_SECONDS = 60
"""Time without a sign of life after which a trial's process is taken for dead, and the trial is begun again."""
MOST_DEATHS = 2
"""Times that a trial whose process died is begun again."""
BUSY_SECONDS = 60
"""Time that a process waits for the others to leave an SQLite file."""


def file_url(path: Path) -> str:
    """Return the URL of an SQLite file, whose name may hold a question mark, per cents or braces."""
    quoted = f"sqlite:///{quote(str(path))}"
    decoded = make_url(quoted).database == str(path)  # which older SQLAlchemy does not do
    return quoted if decoded else f"sqlite:///{path}"


def open_storage(url: str) -> RDBStorage:
    """Open a database. Two processes that open a new one at once hinder each other, so a failure is tried again."""
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    for _ in range(2):
        try:
            return _opened(url)
        except SQLAlchemyError:
            time.sleep(0.5)
    return _opened(url)


def _opened(url: str) -> RDBStorage:
    options = {"connect_args": {"timeout": BUSY_SECONDS}} if url.startswith("sqlite") else {}
    with experimental():
        return RDBStorage(
            url,
            engine_kwargs={"pool_pre_ping": True, **options},
            heartbeat_interval=BEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=MOST_DEATHS),
        )


@contextmanager
def experimental() -> Iterator[None]:
    """Use what Optuna calls experimental, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


@contextmanager
def refusal_of(storage: str, *others: type[Exception]) -> Iterator[None]:
    """Turn an error of the database, or one of other classes, into one line without the password.

    Raises:
        UserError: there was one.
    """
    try:
        yield
    except (SQLAlchemyError, StorageInternalError, *others) as error:
        cause: BaseException = error.__cause__ or error
        reason = first_line(getattr(cause, "orig", None) or cause)
        raise UserError(f"--storage {_without_password(storage)}: {reason}") from error


def _without_password(storage: str) -> str:
    try:
        return make_url(storage).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        return "URL"
