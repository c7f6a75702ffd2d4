"""The ``reward_signals`` block: the sources of rewards.

A signal of the catalogue needs no field here: its block is read by its own settings class, as those of other packages.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ConfigDict, Field, SerializeAsAny, TypeAdapter, model_validator

from trainers.config import catalogue
from trainers.config.base import Settings, problem
from trainers.config.signals import (
    CuriositySettings,
    ExtrinsicSettings,
    GAILSettings,
    RewardSignalSettings,
    RNDSettings,
)


class RewardSignals(Settings):
    """The reward signals. A signal that is left out or null is off."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, SerializeAsAny[RewardSignalSettings]]

    extrinsic: ExtrinsicSettings | None = Field(default=None, description="The environment's own rewards.")
    curiosity: CuriositySettings | None = Field(default=None, description="Intrinsic curiosity.")
    gail: GAILSettings | None = Field(default=None, description="Generative adversarial imitation learning.")
    rnd: RNDSettings | None = Field(default=None, description="Random network distillation.")

    def active(self) -> dict[str, RewardSignalSettings]:
        """Return the settings of the signals that are on, by name."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: one for name, one in {**own, **self.__pydantic_extra__}.items() if one is not None}

    @classmethod
    def known_keys(cls) -> list[str]:
        """Return the names of all signals, those of other packages included."""
        return catalogue.signal_names()

    @model_validator(mode="before")
    @classmethod
    def _read_added_signals(cls, data: Any) -> Any:
        """Read the block of each signal of another package as that signal's own settings class."""
        if not isinstance(data, Mapping):
            return data
        read = dict(data)
        for name in [
            name for name in catalogue.signal_names() if name in data and name not in cls.model_fields
        ]:
            block, listed = read.pop(name), catalogue.signal(name)
            if block is not None and listed is not None:
                added = TypeAdapter(dict[str, listed.settings])  # type: ignore[name-defined]
                read |= added.validate_python({name: block})  # as a map, so that an error names the signal
        return read

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.active():
            raise problem("needs at least one signal, for example extrinsic: {gamma: 0.99, strength: 1.0}")
        return self


def extrinsic_only() -> RewardSignals:
    """Return the default: the environment's own rewards."""
    return RewardSignals.model_validate({"extrinsic": ExtrinsicSettings()})
