"""The ``hyperparameters`` keys that all algorithms share, and those that several of them share."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainers.config.base import (
    Count,
    Flag,
    Fraction,
    Positive,
    Rows,
    Settings,
    Total,
    Units,
    extension,
    number,
)

Correlation = Annotated[float, *number("a number", ge=0, le=0.999)]
Schedule = Literal["linear", "constant"]

LOG_STD_KEYS = ("initial_log_std", "final_log_std")
"""Keys of a deviation that does not depend on the observation."""

MAX_GRAD_NORM = "Largest norm of the gradient. A longer gradient is scaled down to it. null: no limit."
"""Description of the key."""


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

    batch_size: Total[Rows] = Field(default=1024, description="Agent steps in one minibatch.")
    buffer_size: Total[Rows] = Field(default=10240, description="Agent steps held for learning.")
    learning_rate: Positive = Field(default=3e-4, description="Step size of the optimiser.")

    def refusal_of_memory(self) -> str:
        """Return why these values do not go with ``network_settings.memory``; empty if they do."""
        return ""


class NoiseSettings(Settings):
    """The keys of the noise in continuous actions, for algorithms that sample them."""

    noise_correlation: Correlation = extension(
        0.0,
        description="Correlation of the noise in an agent's continuous actions from one decision to the next, at the "
        "start. It falls linearly to 0. 0: independent noise. Typical: 0.5-0.95.",
    )
    noise_correlation_steps: Total[Count | None] = extension(
        None, description="Agent steps in which noise_correlation falls to 0. null: a tenth of max_steps."
    )


class QSettings(Settings):
    """The keys that DQN and PQN share: acting at random, and the heads of the network."""

    exploration_schedule: Schedule = Field(
        default="linear",
        description="How the probability of a random action changes: linear (from exploration_initial_eps to "
        "exploration_final_eps) or constant.",
    )
    exploration_initial_eps: Fraction = Field(
        default=0.1,
        description="Probability of a random action at the start. With dqn it is 1 before buffer_init_steps.",
    )
    exploration_final_eps: Fraction = Field(
        default=0.05,
        description="Probability of a random action at the end of the schedule. One above exploration_initial_eps has "
        "no effect.",
    )
    exploration_steps: Total[Count | None] = extension(
        None,
        description="Length of a linear exploration_schedule in agent steps. null: max_steps. The plugin always uses "
        "20000.",
    )
    exploration_raise_interval: Total[Count | None] = extension(
        None,
        description="Episodes of all agents between two raises of the probability of a random action. null: no raises.",
    )
    exploration_raise_eps: Fraction = extension(
        1.0,
        description="Probability of a random action after a raise at the start of training. It decreases linearly for "
        "later raises, to none at half of max_steps.",
    )
    exploration_raise_steps: Total[Count] = extension(
        50000, description="Agent steps in which a raise decreases linearly to the schedule."
    )
    dueling: Flag = extension(
        False,
        description="Whether the value of a state and the advantages of the actions have separate heads.",
    )
    dueling_units: Units | None = extension(
        None,
        description="Units in the hidden layer of each of the two heads. It needs dueling. null: no such layer.",
    )

    def contradictions(self) -> Iterator[str]:
        """See `Settings.contradictions`."""
        yield from super().contradictions()
        if self.dueling_units is not None and not self.dueling:
            yield "dueling_units needs dueling: true"
