"""The algorithms and reward signals by name. Packages may add theirs, see `plugins`.

A training file may name what is listed here, and nothing else lists what must work: `trainers.commands` has a shorter
command for each algorithm, and `RewardSignals` a typed field for each signal, for the code that reads one by its name.
A name that is listed here stays with this package, even if another one adds it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

from trainers.config import plugins
from trainers.config.algorithm import AlgorithmSettings
from trainers.config.base import Settings
from trainers.config.off_policy import DQNSettings, SACSettings
from trainers.config.on_policy import A2CSettings, MAPPOSettings, POCASettings, PPOSettings, PQNSettings
from trainers.config.plugins import REWARD_SIGNAL, TRAINER_TYPE
from trainers.config.signals import (
    CuriositySettings,
    ExtrinsicSettings,
    GAILSettings,
    RewardSignalSettings,
    RNDSettings,
)


@dataclass(frozen=True)
class Listed:
    """An algorithm or a reward signal.

    Attributes:
        name: Its name in the training file.
        settings: The class of its block.
        place: Import path of its class, `module:Class`.
        is_own: Whether it is one of this package.
    """

    name: str
    settings: Any
    place: str
    is_own: bool = True

    def load(self) -> Any:
        """Import and return the class. The import waits until here, so that reading settings does not load torch."""
        return EntryPoint(self.name, self.place, "").load()


DEFAULT = "ppo"
"""What a behavior is trained with that names no `trainer_type`."""

_ALGORITHMS = (
    Listed("ppo", PPOSettings, "trainers.algorithms.ppo:PPO"),
    Listed("sac", SACSettings, "trainers.algorithms.sac:SAC"),
    Listed("poca", POCASettings, "trainers.algorithms.poca:POCA"),
    Listed("mappo", MAPPOSettings, "trainers.algorithms.mappo:MAPPO"),
    Listed("a2c", A2CSettings, "trainers.algorithms.a2c:A2C"),
    Listed("dqn", DQNSettings, "trainers.algorithms.dqn:DQN"),
    Listed("pqn", PQNSettings, "trainers.algorithms.pqn:PQN"),
)

_SIGNALS = (
    Listed("extrinsic", ExtrinsicSettings, "trainers.rewards.extrinsic:Extrinsic"),
    Listed("curiosity", CuriositySettings, "trainers.rewards.curiosity:Curiosity"),
    Listed("gail", GAILSettings, "trainers.rewards.gail:GAIL"),
    Listed("rnd", RNDSettings, "trainers.rewards.rnd:RND"),
)


def algorithm(name: str) -> Listed | None:
    """Return the algorithm of this name, or None.

    Raises:
        UserError: The package that adds it cannot be imported, or its class has no suitable `settings_class` or lacks
            a method.
    """
    return _find(name, _ALGORITHMS, TRAINER_TYPE, AlgorithmSettings)


def algorithms() -> Iterator[Listed]:
    """Yield every algorithm: those of this package, then those that other packages add, each imported when it is due.

    Raises:
        UserError: See ``algorithm``.
    """
    yield from _all(_ALGORITHMS, TRAINER_TYPE, AlgorithmSettings)


def algorithm_names() -> list[str]:
    """Return the names of all algorithms; no added package is imported."""
    return _names(_ALGORITHMS, TRAINER_TYPE)


def signal(name: str) -> Listed | None:
    """Return the reward signal of this name, or None.

    Raises:
        UserError: The package that adds it cannot be imported, or its class has no suitable `settings_class` or lacks
            a method.
    """
    return _find(name, _SIGNALS, REWARD_SIGNAL, RewardSignalSettings)


def signals() -> Iterator[Listed]:
    """Yield every reward signal; see ``algorithms``."""
    yield from _all(_SIGNALS, REWARD_SIGNAL, RewardSignalSettings)


def signal_names() -> list[str]:
    """Return the names of all reward signals; no added package is imported."""
    return _names(_SIGNALS, REWARD_SIGNAL)


def _names(own: Sequence[Listed], group: str) -> list[str]:
    named = [one.name for one in own]
    return named + plugins.names(group, named)


def _all(own: Sequence[Listed], group: str, base: type[Settings]) -> Iterator[Listed]:
    yield from own
    for name in plugins.names(group, [one.name for one in own]):
        yield _added(name, group, base)


def _find(name: str, own: Sequence[Listed], group: str, base: type[Settings]) -> Listed | None:
    for listed in own:
        if listed.name == name:
            return listed
    return _added(name, group, base) if name in plugins.names(group, ()) else None


@cache
def _added(name: str, group: str, base: type[Settings]) -> Listed:
    found = plugins.load(group, name)
    settings = getattr(found, "settings_class", None)
    if not (isinstance(settings, type) and issubclass(settings, base)):
        reason = f"settings_class of {found!r} is {settings!r}, expected a subclass of trainers.config.{base.__name__}"
        raise plugins.unusable(group, name, reason)
    if lacking := sorted(getattr(found, "__abstractmethods__", ())):
        raise plugins.unusable(group, name, f"{found.__qualname__} does not define {' and '.join(lacking)}")
    return Listed(name, settings, f"{found.__module__}:{found.__qualname__}", is_own=False)
