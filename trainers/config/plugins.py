"""What other packages add: algorithms, reward signals, image encoders.

A package adds one by an entry point. Its name is what the training file says, its value names a class or a function
(`package.module:Name`). docs/extending.md shows one of each from beginning to end.
"""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from gym_adapters.errors import UserError

TRAINER_TYPE = "mlagents_bridge.trainer_type"
"""Learner classes; `settings_class` is the class of the `hyperparameters` block."""

REWARD_SIGNAL = "mlagents_bridge.reward_signal"
"""`RewardSignal` classes; `settings_class` is the class of the signal's block."""

ENCODER = "mlagents_bridge.encoder"
"""Functions of an image's (channels, height, width), the units to end in, and `NetworkSettings`, that make the module
of a `vis_encode_type`.
"""


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
    """Import what a package adds under one of these names.

    Raises:
        UserError: It cannot be imported.
    """
    point = next(iter(entry_points(group=group, name=name)))
    try:
        return point.load()
    except Exception as error:  # whatever an added package does when it is imported
        raise unusable(
            group, name, f"{point.value} cannot be imported ({type(error).__name__}: {error})"
        ) from error


def unusable(group: str, name: str, reason: str) -> UserError:
    """Return the error that says what is wrong with something that a package adds."""
    kind = group.rpartition(".")[2]
    return UserError(f"{kind} {name}: {reason}; mend or uninstall the package that adds it")


@cache
def _installed(group: str) -> tuple[str, ...]:
    return tuple(sorted(entry_points(group=group).names))
