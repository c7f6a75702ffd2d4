"""The block of each reward signal."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from trainers.config.base import Flag, Fraction, NonNegative, PathText, Positive, Settings, Units, deprecated
from trainers.config.network import NetworkSettings

DEMO_PATH = (
    "Path of a .demo file, or of a folder of them. minari:DATASET-ID reads a data set of Minari instead, which is an "
    "extension."
)


class RewardSignalSettings(Settings):
    """The keys that every reward signal has."""

    gamma: Fraction = Field(default=0.99, description="Discount per agent step. Typical: 0.8-0.995.")
    strength: NonNegative = Field(default=1.0, description="Factor on the signal's rewards.")
    network_settings: NetworkSettings = Field(
        default_factory=NetworkSettings,
        description="Network of the signal's own model. Signals without a model ignore it. memory, deterministic, "
        "dropout, critic_hidden_units, initial_log_std and final_log_std have no effect in it.",
    )


class ExtrinsicSettings(RewardSignalSettings):
    """The rewards of the environment."""


class LearnedSignalSettings(RewardSignalSettings):
    """The keys of the signals that learn their own model."""

    learning_rate: Positive = Field(
        default=3e-4, description="Step size of the signal's optimiser. Typical: 1e-5-1e-3."
    )
    encoding_size: Units | None = deprecated(
        description="Deprecated: sets network_settings.hidden_units if network_settings is not given."
    )

    @model_validator(mode="before")
    @classmethod
    def _encoding_size_is_hidden_units(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("encoding_size") and "network_settings" not in data:
            return {**data, "network_settings": {"hidden_units": data["encoding_size"]}}
        return data


class CuriositySettings(LearnedSignalSettings):
    """Intrinsic curiosity: rewards the prediction errors of its model. Typical strength: 0.001-0.1.

    network_settings are those of its features; its two models have one hidden layer of 256 units with swish.
    """


class GAILSettings(LearnedSignalSettings):
    """GAIL: rewards similarity to the demonstrations. Typical strength: 0.01-1.0."""

    demo_path: PathText = Field(description=DEMO_PATH)
    use_actions: Flag = Field(default=False, description="Whether the discriminator receives actions too.")
    use_vail: Flag = Field(
        default=False, description="Whether the discriminator has a variational bottleneck."
    )


class RNDSettings(LearnedSignalSettings):
    """Random network distillation: rewards new observations. Typical strength: 0.001-0.01."""

    learning_rate: Positive = Field(
        default=1e-4, description="Step size of the signal's optimiser. Typical: 1e-5-1e-3."
    )
