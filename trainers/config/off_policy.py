"""The ``hyperparameters`` block of off-policy algorithms, DQN and SAC, and keys that others share with them."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from trainers.config.algorithm import AlgorithmSettings
from trainers.config.base import (
    Count,
    Flag,
    Fraction,
    Positive,
    Rows,
    RowsOrZero,
    Settings,
    Units,
    extension,
    number,
    problem,
)

Correlation = Annotated[float, *number("a number", ge=0, le=0.999)]
Bins = Annotated[int, *number("a whole number", ge=2, le=10000)]
Momentum = Annotated[float, *number("a number", ge=0, le=0.999)]

LOG_STD_KEYS = ("initial_log_std", "final_log_std")
"""Keys of a deviation that does not depend on the observation."""

Schedule = Literal["linear", "constant"]


class OffPolicySettings(AlgorithmSettings):
    """The keys of algorithms that learn from a replay buffer."""

    batch_size: Rows = Field(
        default=128,
        description="Agent steps in one minibatch. Typical: 128-1024 with continuous actions, 32-512 with "
        "discrete.",
    )
    buffer_size: Rows = Field(
        default=50000, description="Agent steps in the replay buffer. Typical: 50000-1000000."
    )
    learning_rate: Positive = Field(
        default=3e-4, description="Step size of the optimiser. Typical: 1e-5-1e-3."
    )
    learning_rate_schedule: Schedule = Field(
        default="constant", description="How learning_rate changes: linear or constant."
    )
    buffer_init_steps: RowsOrZero = Field(
        default=0, description="Agent steps collected before the first update. Typical: 1000-10000."
    )
    tau: Fraction = Field(
        default=0.005,
        description="Weight of the network in the target network's running average, per update.",
    )
    steps_per_update: Positive = Field(default=1.0, description="Agent steps for each update. Typical: 1-20.")
    reward_signal_steps_per_update: Positive = Field(
        default_factory=lambda data: data["steps_per_update"],
        description="Agent steps for each update of the reward signals. Default: steps_per_update.",
    )
    save_replay_buffer: Flag = Field(
        default=False, description="Whether the replay buffer is saved and loaded with the run."
    )
    n_step: Rows = extension(
        1, description="Rewards in the n-step return, before the value by the target network."
    )
    max_grad_norm: Positive | None = extension(
        None,
        description="Largest norm of the gradient. A longer gradient is scaled down to it. null: no limit.",
    )
    adam_epsilon: Positive = extension(1e-8, description="Epsilon of the Adam optimiser.")
    adam_beta1: Momentum = extension(0.9, description="Decay of Adam's running mean of gradients.")

    @model_validator(mode="after")
    def _buffer_is_large_enough(self) -> Self:
        if self.buffer_size < self.batch_size:
            raise problem(
                f"buffer_size ({self.buffer_size}) must not be less than batch_size ({self.batch_size})"
            )
        if self.buffer_size < self.buffer_init_steps:
            raise problem(
                f"buffer_size ({self.buffer_size}) must not be less than buffer_init_steps "
                f"({self.buffer_init_steps})"
            )
        if self.n_step >= self.buffer_size:
            raise problem(f"n_step ({self.n_step}) must be less than buffer_size ({self.buffer_size})")
        return self


class NoiseSettings(Settings):
    """The keys of the noise in continuous actions, for algorithms that sample them."""

    noise_correlation: Correlation = extension(
        0.0,
        description="Correlation of the noise in an agent's continuous actions from one decision to the next, at the "
        "start. It falls linearly to 0. 0: independent noise. Typical: 0.5-0.95.",
    )
    noise_correlation_steps: Count | None = extension(
        None, description="Agent steps in which noise_correlation falls to 0. null: a tenth of max_steps."
    )


class SACSettings(NoiseSettings, OffPolicySettings):
    """Hyperparameters of ``trainer_type: sac``."""

    unused_network_keys: ClassVar[tuple[str, ...]] = ("dropout", *LOG_STD_KEYS)

    init_entcoef: Positive = Field(
        default=1.0,
        description="Entropy coefficient at the start. Typical: 0.5-1.0 with continuous actions, 0.05-0.5 "
        "with discrete.",
    )
    actor_interval: Count = extension(
        1, description="Updates of the critics for each update of the actor and of the entropy coefficients."
    )
    critic_batch_norm: Flag = extension(
        False,
        description="Whether batch normalisation comes before each layer of the critics, which then see present and "
        "next observations in one pass. With tau 1 there is no target network (CrossQ).",
    )
    critic_range: Positive | None = extension(
        None,
        description="End of the range of the critics' values if they learn probabilities of bins from -critic_range to "
        "critic_range, by classification. Values beyond it count as its end, so it goes with normalize_reward. "
        "Typical: 5-10. null: the critics give numbers.",
    )
    critic_bins: Bins = extension(
        101, description="Number of these bins. It has no effect without critic_range."
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
    exploration_steps: Count | None = extension(
        None,
        description="Length of a linear exploration_schedule in agent steps. null: max_steps. The plugin always uses "
        "20000.",
    )
    exploration_raise_interval: Count | None = extension(
        None,
        description="Episodes of all agents between two raises of the probability of a random action. null: no raises.",
    )
    exploration_raise_eps: Fraction = extension(
        1.0,
        description="Probability of a random action after a raise at the start of training. It decreases linearly for "
        "later raises, to none at half of max_steps.",
    )
    exploration_raise_steps: Count = extension(
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

    @model_validator(mode="after")
    def _dueling_has_units(self) -> Self:
        if self.dueling_units is not None and not self.dueling:
            raise problem("dueling_units needs dueling: true")
        return self


class DQNSettings(QSettings, OffPolicySettings):
    """Hyperparameters of ``trainer_type: dqn``: the keys of ML-Agents' DQN plugin."""

    unused_network_keys: ClassVar[tuple[str, ...]] = ("memory", *LOG_STD_KEYS)
    has_actor: ClassVar[bool] = False

    tau: Fraction = Field(
        default=0.005,
        description="Weight of the network in the target network's running average, per update. 1: the network is "
        "copied to the target network every target_update_interval instead.",
    )
    target_update_interval: Count = Field(
        default=10000,
        description="Agent steps between two copies of the network to the target network if tau is 1. With any other "
        "tau it has no effect, as in the plugin.",
    )
    gamma: Fraction = Field(
        default=0.99,
        description="It has no effect, as in the plugin. The gamma of the reward signal is the discount; of several, "
        "that of the first in the order extrinsic, curiosity, gail, rnd.",
    )
    double: Flag = extension(
        True,
        description="Whether the network chooses the next action and the target network evaluates it (double DQN). "
        "Otherwise the target network does both.",
    )
