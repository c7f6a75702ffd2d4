"""Callbacks: code of the user that is told how a run goes, and may end it.

`train(…, callbacks=[…])` takes them, and installed packages add theirs (`plugins.STATS_WRITER`). With several ranks,
rank 0 alone calls them, since it alone writes the run's files.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gym_adapters.errors import UserError, raised
from trainers.config import RunSettings, plugins


@dataclass(frozen=True)
class Moment:
    """How a behavior stands when a callback is called.

    Attributes:
        behavior: its name.
        step: agent steps trained in total, over all ranks.
        figures: the newest summary and the newest evaluation, one number for each TensorBoard tag; empty before them.
        episodes: episodes ended in total.
        mean_return: mean return of the last 100 training episodes; NaN without any.
        folder: holds the behavior's checkpoints and curves.
        stop: ends the run after the present step of the environments. It is saved, as after Ctrl-C.
    """

    behavior: str
    step: int
    episodes: int
    mean_return: float
    folder: Path
    figures: Mapping[str, float]
    stop: Callable[[], None]


class Callback:
    """Is told how a run goes. A subclass overrides the methods that it needs.

    An exception of a method ends the run; what was learned until then is saved.
    """

    def start(self, moment: Moment) -> None:
        """A behavior begins, or goes on after `--resume`."""

    def summary(self, moment: Moment) -> None:
        """A summary was written; `moment.figures` are its numbers."""

    def evaluation(self, moment: Moment) -> None:
        """An evaluation was played (key `evaluation_freq`); its numbers are among `moment.figures`."""

    def checkpoint(self, moment: Moment) -> None:
        """A checkpoint was written to `moment.folder`."""

    def end(self, moment: Moment) -> None:
        """The run has ended and everything is written, also after a failure. Called once for each behavior."""


class Callbacks:
    """The callbacks of a run, in the order in which they are called.

    Args:
        callbacks: the callbacks.

    Raises:
        UserError: one of them is no `Callback`.
    """

    def __init__(self, callbacks: Iterable[Callback] = ()) -> None:
        self._callbacks = list(callbacks)
        for callback in self._callbacks:
            if not isinstance(callback, Callback):
                raise UserError(f"callbacks: expected objects of trainers.Callback, got {callback!r:.100}")

    def tell(self, method: str, moment: Moment) -> None:
        """Call a method of every callback.

        Args:
            method: `start`, `summary`, `evaluation`, `checkpoint` or `end`.
            moment: its argument.

        Raises:
            UserError: a callback raised an exception; the message names the callback, the method and the place.
        """
        for callback in self._callbacks:
            try:
                getattr(callback, method)(moment)
            except (Exception, SystemExit) as error:
                name = f"{type(callback).__name__}.{method}"
                raise UserError(f"callback {name} raised {raised(error)}") from error


def installed_callbacks(settings: RunSettings) -> list[Callback]:
    """Return the callbacks that installed packages add.

    Raises:
        UserError: one cannot be imported or made, or is no `Callback`.
    """
    found = []
    for name in plugins.names(plugins.STATS_WRITER, ()):
        make = plugins.load(plugins.STATS_WRITER, name)
        with plugins.using(plugins.STATS_WRITER, name):
            callback = make(settings)
        if not isinstance(callback, Callback):
            reason = f"gives {callback!r:.100}, expected a trainers.Callback"
            raise plugins.unusable(plugins.STATS_WRITER, name, reason)
        found.append(callback)
    return found
