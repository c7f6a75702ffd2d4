"""The ``hyperparameters`` block of on-policy algorithms: PPO, POCA, MAPPO, A2C and PQN."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from trainers.config.algorithm import (
    LOG_STD_KEYS,
    MAX_GRAD_NORM,
    AlgorithmSettings,
    NoiseSettings,
    QSettings,
    Schedule,
)
from trainers.config.base import (
    Count,
    Flag,
    Fraction,
    NonNegative,
    Positive,
    Rows,
    Total,
    extension,
)

RateSchedule = Literal["linear", "constant", "adaptive"]
PolicyRatio = Literal["part", "action"]
AdvantageNormalization = Literal["buffer", "minibatch", "none"]


class RolloutSettings(AlgorithmSettings):
    """The keys of algorithms that learn from a rollout and then drop it: all that ``RolloutLearner`` reads."""

    unused_network_keys: ClassVar[tuple[str, ...]] = ("dropout",)

    batch_size: Total[Rows] = Field(
        default=1024,
        description="Agent steps in one minibatch. Typical: 512-5120 with continuous actions, 32-512 with "
        "discrete.",
    )
    buffer_size: Total[Rows] = Field(
        default=10240,
        description="Agent steps that are collected before an update; a multiple of batch_size. Typical: 2048-409600.",
    )
    learning_rate: Positive = Field(
        default=3e-4, description="Step size of the optimiser at the start. Typical: 1e-5-1e-3."
    )
    lambd: Fraction = Field(
        default=0.95, description="Lambda of generalised advantage estimation. Typical: 0.9-0.95."
    )


class OnPolicySettings(NoiseSettings, RolloutSettings):
    """The keys that PPO, POCA, MAPPO and A2C share: all that ``OnPolicyLearner`` reads."""

    num_epoch: Count = Field(default=3, description="Passes over the buffer in one update. Typical: 1-10.")
    beta: NonNegative = Field(
        default=5e-3, description="Weight of the entropy bonus at the start. Typical: 1e-4-1e-2."
    )
    beta_schedule: Schedule = Field(
        default="linear", description="How beta changes: linear (to 1e-5 at max_steps) or constant."
    )
    learning_rate_schedule: RateSchedule = Field(
        default="linear",
        description="How learning_rate changes: linear (to 1e-10 at max_steps), constant, or adaptive (raised and "
        "lowered between 1e-6 and 1e-2 so that the KL divergence stays near target_kl, which must be set). adaptive is "
        "an extension.",
    )
    max_grad_norm: Positive | None = extension(None, description=MAX_GRAD_NORM)
    target_kl: Positive | None = extension(
        None,
        description="KL divergence (nats) between the old and the new policy. The adaptive learning rate aims at it. "
        "With the other schedules (not with a2c), an update ends after the first pass whose mean divergence exceeds "
        "1.5 times this value. null: no limit.",
    )
    adam_epsilon: Positive = extension(1e-8, description="Epsilon of the Adam optimiser.")
    value_coefficient: NonNegative = extension(0.5, description="Weight of the value loss in the total loss.")
    normalize_advantage: AdvantageNormalization = extension(
        "buffer",
        description="Where advantages are normalised to mean 0 and standard deviation 1: over the whole buffer (as in "
        "ML-Agents), over each minibatch, or not at all.",
    )
    critic_learning_rate: Positive | None = extension(
        None, description="Step size of the critic, with the same schedule. null: learning_rate."
    )

    def contradictions(self) -> Iterator[str]:
        """See `Settings.contradictions`."""
        yield from super().contradictions()
        if self.learning_rate_schedule == "adaptive" and self.target_kl is None:
            yield "learning_rate_schedule is adaptive: it needs target_kl, for example 0.01"


class ActorCriticSettings(OnPolicySettings):
    """The keys of algorithms whose critic sees what the actor sees: PPO and A2C. Added algorithms begin here."""

    shared_critic: Flag = Field(
        default=False, description="Whether policy and value function share one network body."
    )


class ClippedSettings(OnPolicySettings):
    """The keys that PPO, POCA and MAPPO share."""

    num_epoch: Count = Field(default=3, description="Passes over the buffer in one update. Typical: 3-10.")
    epsilon: Positive = Field(
        default=0.2,
        description="Clip range of the policy ratio, at the start. Typical: 0.1-0.3.",
    )
    beta_schedule: Schedule = Field(
        default="linear",
        description="How beta changes: linear (to 1e-5 at max_steps, unless it is less) or constant. Default: "
        "learning_rate_schedule if that is given as linear or constant, else linear.",
    )
    epsilon_schedule: Schedule = Field(
        default="linear",
        description="How epsilon changes: linear (to 0.1 at max_steps, unless it is less) or constant. Default: "
        "learning_rate_schedule if that is given as linear or constant, else linear.",
    )

    policy_ratio: PolicyRatio = extension(
        "part",
        description="Which ratio of new to old probability epsilon clips. part: that of each continuous dimension and "
        "each branch, as in ML-Agents. action: that of the whole action, as in the PPO paper; a policy with many "
        "parts then changes less in an update.",
    )

    @model_validator(mode="before")
    @classmethod
    def _follow_learning_rate_schedule(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("learning_rate_schedule") in ("linear", "constant"):
            schedule = data["learning_rate_schedule"]
            return {"beta_schedule": schedule, "epsilon_schedule": schedule, **data}
        return data


class PPOSettings(ClippedSettings, ActorCriticSettings):
    """Hyperparameters of ``trainer_type: ppo``."""

    recompute_advantage: Flag = extension(
        False,
        description="Whether each pass over the buffer first recomputes advantages and returns with the current "
        "critic. Source: Andrychowicz et al. 2021, What Matters In On-Policy Reinforcement Learning, section 3.5.",
    )
    clip_value_loss: Flag = extension(
        False,
        description="Whether an update changes a value by at most epsilon. This suits returns of about 1; larger ones "
        "are learned slowly. ML-Agents contains this clip, but it never takes effect there.",
    )


class POCASettings(ClippedSettings):
    """Hyperparameters of ``trainer_type: poca``."""

    for_groups: ClassVar[bool] = True


class MAPPOSettings(POCASettings):
    """Hyperparameters of ``trainer_type: mappo``, which are those of poca."""


class A2CSettings(ActorCriticSettings):
    """Hyperparameters of ``trainer_type: a2c``, the keys of ML-Agents' A2C plugin."""

    num_epoch: Count = Field(
        default=1, description="Passes over the buffer in one update; A2C makes exactly 1."
    )
    beta_schedule: Schedule = Field(
        default="linear",
        description="How beta changes: linear (to 1e-5 at max_steps) or constant. As in the plugin, it does not "
        "follow learning_rate_schedule.",
    )
    natural_gradient_kl: Positive | None = extension(
        None,
        description="KL divergence (nats) of the actor's only step in an update, along the natural gradient. "
        "batch_size, learning_rate, its schedule and max_grad_norm then apply to the critic alone, and "
        "normalize_advantage: minibatch counts as none. null: actor and critic take gradient steps in minibatches. "
        "Typical: 0.01-0.05. Source: Kakade 2001, A Natural Policy Gradient.",
    )
    critic_num_epoch: Count = extension(
        1, description="Passes of the critic over the buffer if natural_gradient_kl is set."
    )

    def contradictions(self) -> Iterator[str]:
        """See `Settings.contradictions`."""
        yield from super().contradictions()
        adaptive, natural = self.learning_rate_schedule == "adaptive", self.natural_gradient_kl is not None
        if self.num_epoch != 1:
            yield f"num_epoch must be 1 with trainer_type a2c, got {self.num_epoch}"
        if self.target_kl is not None and not adaptive:
            yield (
                f"target_kl {self.target_kl:g}: with trainer_type a2c, which makes one pass, it needs "
                "learning_rate_schedule: adaptive"
            )
        if self.critic_num_epoch != 1 and not natural:
            yield f"critic_num_epoch {self.critic_num_epoch} has no effect without natural_gradient_kl"
        if natural and self.shared_critic:
            yield "natural_gradient_kl needs shared_critic: false, so that the critic does not change the actor"
        if natural and adaptive:
            yield "natural_gradient_kl fixes the divergence itself: set learning_rate_schedule to linear or constant"


class PQNSettings(QSettings, RolloutSettings):
    """Hyperparameters of ``trainer_type: pqn``."""

    unused_network_keys: ClassVar[tuple[str, ...]] = ("memory", "dropout", *LOG_STD_KEYS)
    has_actor: ClassVar[bool] = False

    batch_size: Total[Rows] = Field(default=128, description="Agent steps in one minibatch. Typical: 32-512.")
    buffer_size: Total[Rows] = Field(
        default=4096, description="Agent steps that are collected before an update. Typical: 1024-16384."
    )
    learning_rate: Positive = Field(
        default=2.5e-4, description="Step size of the optimiser at the start. Typical: 1e-4-1e-3."
    )
    learning_rate_schedule: Schedule = Field(
        default="linear", description="How learning_rate changes: linear (to 1e-10 at max_steps) or constant."
    )
    lambd: Fraction = Field(default=0.65, description="Lambda of the returns. Typical: 0.5-0.95.")
    num_epoch: Count = Field(default=2, description="Passes over the buffer in one update. Typical: 1-4.")
    max_grad_norm: Positive | None = extension(10.0, description=MAX_GRAD_NORM)
    adam_epsilon: Positive = extension(1e-8, description="Epsilon of the Adam optimiser.")
