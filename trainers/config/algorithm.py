"""What the ``hyperparameters`` block of every algorithm has."""

from typing import ClassVar

from pydantic import Field

from trainers.config.base import Count, Positive, Settings


class AlgorithmSettings(Settings):
    """The keys that every algorithm has; an algorithm's own settings class adds its keys.

    Attributes:
        allows_dropout: Whether the network may have ``dropout``; it then acts without and learns with it.
    """

    allows_dropout: ClassVar[bool] = False

    batch_size: Count = Field(default=1024, description="Agent steps in one minibatch.")
    buffer_size: Count = Field(default=10240, description="Agent steps held for learning.")
    learning_rate: Positive = Field(default=3e-4, description="Step size of the optimiser.")
