"""The ``hyperparameters`` keys that all algorithms share."""

from typing import ClassVar

from pydantic import Field

from trainers.config.base import Positive, Rows, Settings


class AlgorithmSettings(Settings):
    """The keys that every algorithm has. The settings class of an algorithm adds its own.

    Attributes:
        unused_network_keys: Keys of ``network_settings`` that the algorithm has no use for; setting one is an error.
            Dropout is active in updates only, so a policy that is learned on its own actions cannot have it.
        has_actor: Whether the algorithm has a policy that can be cloned (``behavioral_cloning``).
        for_groups: Whether the algorithm is meant for groups of agents. The agents of a PettingZoo environment then
            form groups unless ``env_options`` say otherwise.
    """

    unused_network_keys: ClassVar[tuple[str, ...]] = ("dropout", "memory")
    has_actor: ClassVar[bool] = True
    for_groups: ClassVar[bool] = False

    batch_size: Rows = Field(default=1024, description="Agent steps in one minibatch.")
    buffer_size: Rows = Field(default=10240, description="Agent steps held for learning.")
    learning_rate: Positive = Field(default=3e-4, description="Step size of the optimiser.")
