"""The ``hyperparameters`` keys that all algorithms share."""

from typing import ClassVar

from pydantic import Field

from trainers.config.base import Positive, Rows, Settings


class AlgorithmSettings(Settings):
    """The keys that every algorithm has. The settings class of an algorithm adds its own.

    Attributes:
        allows_dropout: Whether ``network_settings.dropout`` may be set. Dropout is active in updates only.
    """

    allows_dropout: ClassVar[bool] = False

    batch_size: Rows = Field(default=1024, description="Agent steps in one minibatch.")
    buffer_size: Rows = Field(default=10240, description="Agent steps held for learning.")
    learning_rate: Positive = Field(default=3e-4, description="Step size of the optimiser.")
