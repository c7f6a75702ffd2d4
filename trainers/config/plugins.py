"""Algorithms, reward signals, image encoders and callbacks that other packages add.

A package adds one by an entry point. The name of the entry point is the name in the training file. Its value is the
import path of a class or a function, `package.module:Name`. docs/extending.md has an example of each.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from gym_adapters.errors import ADDED, UserError, raised

TRAINER_TYPE = "mlagents_bridge.trainer_type"
"""Group of learner classes. Their `settings_class` is the class of the `hyperparameters` block."""

REWARD_SIGNAL = "mlagents_bridge.reward_signal"
"""Group of `RewardSignal` classes. Their `settings_class` is the class of the signal's block."""

ENCODER = "mlagents_bridge.encoder"
"""Group of functions that make the module of a `vis_encode_type`. Their arguments are the image's (channels, height,
width), the number of output units, and the `NetworkSettings`.
"""

STATS_WRITER = "mlagents_bridge.stats_writer"
"""Group of functions or classes that make a `trainers.Callback` from the `RunSettings`. Every run calls all of them."""


def names(group: str, own: Iterable[str]) -> list[str]:
    """Return the names that installed packages add to a group; none of them is imported.

    Args:
        group: One of the groups above.
        own: The names that this package gives itself, which no other package can take.
    """
    taken = set(own)
    return [name for name in _installed(group) if name not in taken]


@cache
def load(group: str, name: str) -> Any:
    """Import what a package adds to a group under a name.

    Raises:
        UserError: The import fails.
    """
    point = next(iter(entry_points(group=group, name=name)))
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # whatever an added package does when it is imported
        raise unusable(
            group, name, f"{point.value} cannot be imported ({type(error).__name__}: {error})"
        ) from error
    titles = ADDED.setdefault(point.module.partition(".")[0], [])
    if _title(group, name) not in titles:
        titles.append(_title(group, name))
    return found


def unusable(group: str, name: str, reason: str) -> UserError:
    """Return the error that says what is wrong with something that a package adds."""
    return UserError(f"{_title(group, name)}: {reason}; mend or uninstall the package that adds it")


@contextmanager
def using(group: str, name: str) -> Iterator[None]:
    """Turns an exception of what a package adds, while it is made or asked, into one line that names it.

    Raises:
        UserError: The block raised something else.
    """
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise unusable(group, name, f"raised {raised(error)}") from error


def _title(group: str, name: str) -> str:
    return f"{group.rpartition('.')[2]} {name}"


def look_again() -> None:
    """Forget what was found, so that packages installed since are found too."""
    _installed.cache_clear()
    load.cache_clear()


@cache
def _installed(group: str) -> tuple[str, ...]:
    return tuple(sorted(entry_points(group=group).names))
