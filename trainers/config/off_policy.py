"""The ``hyperparameters`` block of off-policy algorithms: DQN and SAC."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from trainers.config.algorithm import (
    LOG_STD_KEYS,
    MAX_GRAD_NORM,
    AlgorithmSettings,
    NoiseSettings,
    QSettings,
    Schedule,
)
from trainers.config.base import (
    Bins,
    Count,
    Flag,
    Fraction,
    Positive,
    Rows,
    RowsOrZero,
    Total,
    extension,
    number,
)

Momentum = Annotated[float, *number("a number", ge=0, le=0.999)]


class OffPolicySettings(AlgorithmSettings):
    """The keys of algorithms that learn from a replay buffer."""

    batch_size: Total[Rows] = Field(
        default=128,
        description="Agent steps in one minibatch. Typical: 128-1024 with continuous actions, 32-512 with "
        "discrete.",
    )
    buffer_size: Total[Rows] = Field(
        default=50000, description="Agent steps in the replay buffer. Typical: 50000-1000000."
    )
    learning_rate: Positive = Field(
        default=3e-4, description="Step size of the optimiser. Typical: 1e-5-1e-3."
    )
    learning_rate_schedule: Schedule = Field(
        default="constant", description="How learning_rate changes: linear or constant."
    )
    buffer_init_steps: Total[RowsOrZero] = Field(
        default=0, description="Agent steps collected before the first update. Typical: 1000-10000."
    )
    tau: Fraction = Field(
        default=0.005,
        description="Weight of the network in the target network's running average, per update.",
    )
    steps_per_update: Total[Positive] = Field(
        default=1.0, description="Agent steps for each update. Typical: 1-20."
    )
    reward_signal_steps_per_update: Total[Positive] = Field(
        default_factory=lambda data: data["steps_per_update"],
        description="Agent steps for each update of the reward signals. Default: steps_per_update.",
    )
    save_replay_buffer: Flag = Field(
        default=False, description="Whether the replay buffer is saved and loaded with the run."
    )
    n_step: Rows = extension(
        1, description="Rewards in the n-step return, before the value by the target network."
    )
    max_grad_norm: Positive | None = extension(None, description=MAX_GRAD_NORM)
    adam_epsilon: Positive = extension(1e-8, description="Epsilon of the Adam optimiser.")
    adam_beta1: Momentum = extension(0.9, description="Decay of Adam's running mean of gradients.")

    def contradictions(self) -> Iterator[str]:
        """See `Settings.contradictions`."""
        yield from super().contradictions()
        if self.buffer_size < self.batch_size:
            yield f"buffer_size ({self.buffer_size}) must not be less than batch_size ({self.batch_size})"
        if self.buffer_size < self.buffer_init_steps:
            yield (
                f"buffer_size ({self.buffer_size}) must not be less than buffer_init_steps "
                f"({self.buffer_init_steps})"
            )
        if self.n_step >= self.buffer_size:
            yield f"n_step ({self.n_step}) must be less than buffer_size ({self.buffer_size})"

    def refusal_of_memory(self) -> str:
        """See ``AlgorithmSettings.refusal_of_memory``."""
        return "network_settings.memory needs hyperparameters.n_step 1" if self.n_step > 1 else ""


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

    def refusal_of_memory(self) -> str:
        """See ``AlgorithmSettings.refusal_of_memory``."""
        if self.critic_batch_norm:
            return (
                "hyperparameters.critic_batch_norm works without network_settings.memory; remove one of them"
            )
        return super().refusal_of_memory()


class DQNSettings(QSettings, OffPolicySettings):
    """Hyperparameters of ``trainer_type: dqn``: the keys of ML-Agents' DQN plugin."""

    unused_network_keys: ClassVar[tuple[str, ...]] = ("memory", *LOG_STD_KEYS)
    has_actor: ClassVar[bool] = False

    tau: Fraction = Field(
        default=0.005,
        description="Weight of the network in the target network's running average, per update. 1: the network is "
        "copied to the target network every target_update_interval instead.",
    )
    target_update_interval: Total[Count] = Field(
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
