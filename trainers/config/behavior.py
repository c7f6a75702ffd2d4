"""One entry of ``behaviors``: how the agents of one behavior are trained."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator, model_validator

from trainers.config import catalogue
from trainers.config.algorithm import AlgorithmSettings
from trainers.config.base import (
    Count,
    Environments,
    Flag,
    PathText,
    Positive,
    Real,
    Settings,
    Total,
    deprecated,
    extension,
    one_of,
    problem,
    show,
)
from trainers.config.cloning import BehavioralCloningSettings
from trainers.config.network import NetworkSettings
from trainers.config.reward_signals import RewardSignals, extrinsic_only
from trainers.config.self_play import SelfPlaySettings


class BehaviorSettings(Settings):
    """How one behavior is trained.

    An agent step is one decision of one agent; steps are summed over all agents and environments.
    """

    trainer_type: str = Field(
        default=catalogue.DEFAULT, description="Algorithm. Must be given when hyperparameters is."
    )
    hyperparameters: SerializeAsAny[AlgorithmSettings] = Field(
        default_factory=lambda data: _settings_class(data["trainer_type"])(),
        description="Settings of the algorithm. trainer_type determines the keys.",
    )
    network_settings: NetworkSettings = Field(
        default_factory=NetworkSettings, description="The policy and value networks."
    )
    reward_signals: RewardSignals = Field(
        default_factory=extrinsic_only, description="Where rewards come from. Default: extrinsic alone."
    )
    max_steps: Total[Count] = Field(
        default=500000, description="Agent steps after which training ends. Typical: 5e5-1e7."
    )
    time_horizon: Count = Field(
        default=64,
        description="Most agent steps in a trajectory. The value function estimates the rewards after its end. It has "
        "no effect with a replay buffer (sac, dqn).",
    )
    summary_freq: Total[Count] = Field(default=50000, description="Agent steps between two summaries.")
    keep_checkpoints: Count = Field(
        default=5, description="Most checkpoints to keep. Older ones are deleted."
    )
    even_checkpoints: Flag = Field(
        default=False, description="Whether checkpoint_interval is set to max_steps / keep_checkpoints."
    )
    checkpoint_interval: Total[Count] = Field(
        default=500000, validate_default=True, description="Agent steps between two checkpoints."
    )
    init_path: PathText | None = Field(
        default=None,
        description="A .pt file or a run folder that the networks start from. With initialize_from, a file name "
        "without a folder is a checkpoint of that run. It has no effect if resume is true. null: new networks.",
    )
    threaded: Flag = Field(
        default=False,
        description="Whether updates run in a thread of their own while the agents go on, which then act one update "
        "behind. It pays when the environment takes long for a step. Not with several ranks.",
    )
    behavioral_cloning: BehavioralCloningSettings | None = Field(
        default=None, description="Learning from demonstrations. null: none."
    )
    self_play: SelfPlaySettings | None = Field(
        default=None, description="Training against past policies. null: none."
    )
    framework: str | None = deprecated(description="Deprecated; read and ignored.")
    normalize_reward: Flag = extension(
        False,
        description="Whether learning divides the rewards of extrinsic by the running standard deviation of the "
        "discounted return, and clips them to 10. Reports show the rewards unchanged.",
    )
    reward_clip: Positive | None = extension(
        None,
        description="Largest absolute reward of extrinsic in learning, after strength. Larger ones are clipped, and "
        "reports show them unchanged. null: no limit.",
    )
    stop_at_reward: Real | None = extension(
        None,
        description="Mean return of the last 100 episodes at which training ends before max_steps; with self_play, the "
        "Elo rating. It is looked at with each summary. With evaluation_freq, the mean return of each evaluation. With "
        "lessons, it holds in the last. null: never.",
    )
    patience: Count | None = extension(
        None,
        description="Summaries in a row without a better mean return of the last 100 episodes, or with self_play a "
        "better Elo rating, after which training ends before max_steps. With evaluation_freq, evaluations in a row. A "
        "new lesson begins a new count. Typical: 10-50. null: never.",
    )
    evaluation_freq: Total[Count | None] = extension(
        None,
        description="Agent steps between two evaluations: the policy plays deterministically in environments of its "
        "own, and the best checkpoint, stop_at_reward and patience follow the mean return. null: never.",
    )
    evaluation_episodes: Environments = extension(
        10,
        description="Environments of an evaluation, each played for one episode and seeded from 10000 on. A Unity "
        "player of its own is played until so many episodes have ended.",
    )

    @model_validator(mode="before")
    @classmethod
    def _hyperparameters_need_a_type(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "hyperparameters" not in data or "trainer_type" in data:
            return data
        given = data["hyperparameters"]
        for algorithm in catalogue.algorithms() if isinstance(given, AlgorithmSettings) else ():
            if type(given) is algorithm.settings:
                return {"trainer_type": algorithm.name, **data}
        raise problem(
            "hyperparameters is given, so trainer_type is needed beside it, for example trainer_type: "
            f"{catalogue.DEFAULT}"
        )

    @field_validator("trainer_type", mode="after")
    @classmethod
    def _known_type(cls, name: str) -> str:
        if catalogue.algorithm(name) is None:
            known = one_of([repr(known) for known in catalogue.algorithm_names()])
            raise problem(f"expected {known}, got {show(name)}")
        return name

    @field_validator("hyperparameters", mode="before")
    @classmethod
    def _hyperparameters_of_the_type(cls, value: Any, info: ValidationInfo) -> Any:
        if "trainer_type" not in info.data:  # it is invalid and reported itself
            return AlgorithmSettings()
        settings = _settings_class(info.data["trainer_type"])
        if isinstance(value, AlgorithmSettings) and type(value) is not settings:
            raise problem(
                f"expected {settings.__name__} for trainer_type {info.data['trainer_type']}, got "
                f"{show(value)}"
            )
        return settings.model_validate(value)

    @field_validator("checkpoint_interval", mode="after")
    @classmethod
    def _even_interval(cls, interval: int, info: ValidationInfo) -> int:
        known = info.data
        if known.get("even_checkpoints") and "max_steps" in known and "keep_checkpoints" in known:
            return max(1, known["max_steps"] // known["keep_checkpoints"])
        return interval

    def contradictions(self) -> Iterator[str]:
        """See `Settings.contradictions`."""
        yield from super().contradictions()
        kind, hyper, memory = self.trainer_type, self.hyperparameters, self.network_settings.memory
        if self.evaluation_freq is not None and self.self_play is not None:
            yield (
                "evaluation_freq has no use with self_play, whose Elo rating says how good the policy is; remove one"
            )
        for key in hyper.unused_network_keys:
            if getattr(self.network_settings, key) != NetworkSettings.model_fields[key].default:
                using = [
                    one.name for one in catalogue.algorithms() if key not in one.settings.unused_network_keys
                ]
                yield f"network_settings.{key} needs trainer_type {one_of(using)}; {kind} has no use for it"
        if self.behavioral_cloning is not None and not hyper.has_actor:
            using = [one.name for one in catalogue.algorithms() if one.settings.has_actor]
            yield f"behavioral_cloning needs trainer_type {one_of(using)}; {kind} has no policy to clone"
        if memory is None or "memory" in hyper.unused_network_keys:
            return
        if reason := hyper.refusal_of_memory():
            yield reason
        if memory.sequence_length > hyper.batch_size:
            yield (
                f"network_settings.memory.sequence_length ({memory.sequence_length}) must not exceed "
                f"hyperparameters.batch_size ({hyper.batch_size})"
            )


def _settings_class(trainer_type: str) -> type[AlgorithmSettings]:
    algorithm = catalogue.algorithm(trainer_type)
    assert algorithm is not None
    return algorithm.settings
