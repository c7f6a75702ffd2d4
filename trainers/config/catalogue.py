"""The list of all algorithms and reward signals. Other packages add theirs through `plugins`."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

from gym_adapters.errors import UserError
from trainers.config import plugins
from trainers.config.algorithm import AlgorithmSettings
from trainers.config.base import Settings
from trainers.config.hyperparameters import A2CSettings, POCASettings, PPOSettings
from trainers.config.off_policy import DQNSettings, SACSettings
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
        place: Import path of its class, `module:Class`. None: its block is read, but it cannot be trained yet.
    """

    name: str
    settings: Any
    place: str | None

    def load(self) -> Any:
        """Import and return the class. The import waits until here, so that reading settings does not load torch."""
        assert self.place is not None
        return EntryPoint(self.name, self.place, "").load()


_ALGORITHMS = (
    Listed("ppo", PPOSettings, "trainers.algorithms.ppo:PPO"),
    Listed("sac", SACSettings, None),
    Listed("poca", POCASettings, None),
    Listed("a2c", A2CSettings, "trainers.algorithms.a2c:A2C"),
    Listed("dqn", DQNSettings, "trainers.algorithms.dqn:DQN"),
)

_SIGNALS = (
    Listed("extrinsic", ExtrinsicSettings, "trainers.rewards.extrinsic:Extrinsic"),
    Listed("curiosity", CuriositySettings, None),
    Listed("gail", GAILSettings, None),
    Listed("rnd", RNDSettings, None),
)


def algorithm(name: str) -> Listed | None:
    """Return the algorithm of this name, or None.

    Raises:
        UserError: The package that adds it cannot be imported, or its class has no suitable `settings_class`.
    """
    return _find(name, _ALGORITHMS, TRAINER_TYPE, AlgorithmSettings)


def algorithms() -> dict[str, Listed]:
    """Return every algorithm by name: first those of this package, then those of other packages."""
    return {name: found for name in algorithm_names() if (found := algorithm(name)) is not None}


def algorithm_names(trained: bool = False) -> list[str]:
    """Return the names of all algorithms, or of those that can be trained. This imports no other package."""
    own = [one.name for one in _ALGORITHMS if one.place is not None or not trained]
    return [*own, *plugins.names(TRAINER_TYPE)]


def signal(name: str) -> Listed | None:
    """Return the reward signal of this name, or None.

    Raises:
        UserError: The package that adds it cannot be imported, or its class has no suitable `settings_class`.
    """
    return _find(name, _SIGNALS, REWARD_SIGNAL, RewardSignalSettings)


def signal_names(trained: bool = False) -> list[str]:
    """Return the names of all reward signals, or of those that can be used. This imports no other package."""
    own = [one.name for one in _SIGNALS if one.place is not None or not trained]
    return [*own, *plugins.names(REWARD_SIGNAL)]


def _find(name: str, own: Iterable[Listed], group: str, base: type[Settings]) -> Listed | None:
    for listed in own:
        if listed.name == name:
            return listed
    return _added(name, group, base) if name in plugins.names(group) else None


@cache
def _added(name: str, group: str, base: type[Settings]) -> Listed:
    found = plugins.load(group, name)
    settings = getattr(found, "settings_class", None)
    if not (isinstance(settings, type) and issubclass(settings, base)):
        raise UserError(
            f"{name}: settings_class of {found} is {settings!r}; expected a subclass of "
            f"trainers.config.{base.__name__}"
        )
    return Listed(name, settings, f"{found.__module__}:{found.__qualname__}")
