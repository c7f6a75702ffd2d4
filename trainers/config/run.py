"""The whole training file."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import InitErrorDetails

from gym_adapters.errors import UserError
from trainers.config.base import (
    Count,
    CountOrUnlimited,
    Flag,
    Port,
    Seed,
    SentCount,
    SentCountOrUnlimited,
    SentCountOrZero,
    SentPositive,
    Settings,
    Threads,
    deprecated,
    extension,
    problem,
    suggestion,
)
from trainers.config.behavior import BehaviorSettings
from trainers.config.environment_parameters import EnvironmentParameter


class EnvSettings(Settings):
    """The environment: a Unity player, the Unity Editor or a Gymnasium id."""

    env_path: str | None = Field(
        default=None,
        description="Path of a Unity player. null: the Editor. As an extension, the id of a Gymnasium "
        "environment.",
    )
    env_args: tuple[str, ...] | None = Field(
        default=None, description="Command line arguments of the player."
    )
    base_port: Port = Field(
        default=5005, description="First port of the players; each next one takes the next port."
    )
    num_envs: Count = Field(
        default=1, description="Environments stepped at the same time; more than 1 needs env_path."
    )
    num_areas: SentCount = Field(default=1, description="Training areas in each player.")
    timeout_wait: Count = Field(default=60, description="Seconds to wait for a player.")
    seed: Seed = Field(default=-1, description="Seed of all random numbers. -1: a random one from 0 to 9999.")
    max_lifetime_restarts: CountOrUnlimited = Field(
        default=10, description="Times one player may be restarted in a run. -1: no limit."
    )
    restarts_rate_limit_n: CountOrUnlimited = Field(
        default=1, description="Times one player may be restarted in each period. -1: no limit."
    )
    restarts_rate_limit_period_s: Count = Field(default=60, description="Length of that period in seconds.")
    listen: str = extension(
        "127.0.0.1",
        description="Address on which players are waited for. Any other than the default lets other machines "
        "connect.",
    )
    env_options: dict[str, Any] = extension(
        default_factory=dict,
        description="Keyword arguments for making a Gymnasium environment. For Atari, life_loss_info: true ends an "
        "episode with each life; whole games are still what is evaluated, and reported as Environment/Game Score.",
    )

    @model_validator(mode="after")
    def _several_need_a_path(self) -> Self:
        if self.num_envs > 1 and self.env_path is None:
            raise problem(f"num_envs is {self.num_envs}: more than one environment needs env_path")
        return self


class EngineSettings(Settings):
    """How the Unity player runs."""

    width: SentCountOrZero = Field(default=84, description="Width of the player's window in pixels.")
    height: SentCountOrZero = Field(default=84, description="Height of the player's window in pixels.")
    quality_level: SentCountOrZero = Field(default=5, description="Unity's quality level, 0 to 5.")
    time_scale: SentPositive = Field(default=20.0, description="Game time per real time, 1 to 100 in Unity.")
    target_frame_rate: SentCountOrUnlimited = Field(
        default=-1, description="Frames per second to aim for. -1: as many as possible."
    )
    capture_frame_rate: SentCountOrZero = Field(
        default=60, description="Frames per second of game time; 0: not fixed."
    )
    no_graphics: Flag = Field(default=False, description="Whether players run without a graphics device.")
    no_graphics_monitor: Flag = Field(
        default=False, description="Whether all players but the first run without a graphics device."
    )


class CheckpointSettings(Settings):
    """Where a run is kept and what it starts from."""

    run_id: str | None = Field(
        default=None,
        description="Name of the run. null: the trainer makes a unique one (mlagents-learn takes ppo).",
    )
    load_model: Flag = deprecated(False, description="Deprecated name of resume; read and ignored.")
    resume: Flag = Field(default=False, description="Whether the run of this name is continued.")
    initialize_from: str | None = Field(
        default=None,
        description="Run whose policies this run starts from. Without effect when resume is true.",
    )
    force: Flag = Field(default=False, description="Whether a run of the same name is overwritten.")
    train_model: Flag = deprecated(False, description="Deprecated opposite of inference; read and ignored.")
    inference: Flag = Field(default=False, description="Whether policies only act and do not learn.")
    results_dir: str = Field(
        default="runs", description="Folder that holds the folders of runs (mlagents-learn takes results)."
    )

    @field_validator("initialize_from", mode="after")
    @classmethod
    def _resume_wins(cls, run: str | None, info: ValidationInfo) -> str | None:
        return None if info.data.get("resume") else run


class TorchSettings(Settings):
    """Where networks are computed."""

    device: str | None = Field(
        default=None,
        description="cpu, cuda, cuda:0, mps, ... null or auto: cpu or cuda, whichever a short measurement finds "
        "faster.",
    )
    num_threads: Threads | None = extension(
        None, description="CPU threads of torch. null: one for small networks, else by a short measurement."
    )
    precision: Literal["auto", "float32", "bfloat16"] = extension(
        "auto",
        description="Numbers that image encoders compute with while training; all else is float32. auto: "
        "bfloat16 where a short measurement finds it faster.",
    )


class RunSettings(Settings):
    """The training file: every setting of a run."""

    default_settings: BehaviorSettings | None = Field(
        default=None,
        description="Settings of every behavior that behaviors does not list, and of the keys it leaves out.",
    )
    behaviors: dict[str, BehaviorSettings] = Field(
        default_factory=dict, description="Settings of each behavior, by the behavior's name."
    )
    env_settings: EnvSettings = Field(default_factory=EnvSettings, description="The environment.")
    engine_settings: EngineSettings = Field(default_factory=EngineSettings, description="The Unity engine.")
    environment_parameters: dict[str, EnvironmentParameter] | None = Field(
        default=None,
        description="Numbers, samplers or curricula sent to the environment, by the parameter's name.",
    )
    checkpoint_settings: CheckpointSettings = Field(
        default_factory=CheckpointSettings, description="Checkpoints and results."
    )
    torch_settings: TorchSettings = Field(default_factory=TorchSettings, description="PyTorch.")
    debug: Flag = Field(default=False, description="Whether debug messages are logged.")
    wandb: str | None = extension(
        None,
        description="Project on Weights & Biases that the run is logged to; needs the extra wandb. null: none.",
        min_length=1,
    )

    _source: str | None = PrivateAttr(None)

    @property
    def source(self) -> str | None:
        """What error texts call the training file; None if there was none."""
        return self._source

    def behavior(self, name: str) -> BehaviorSettings:
        """Return the settings of a behavior; a ``?team=1`` at the end of its name is not looked at.

        Raises:
            UserError: The training file has neither this behavior nor ``default_settings``.
        """
        name = name.split("?")[0]
        found = self.behaviors.get(name, self.default_settings)
        if found is None and (self._source is not None or self.behaviors):
            known = ", ".join(self.behaviors) or "none"
            raise UserError(
                f"{self._source or 'settings'}: behaviors: the environment has a behavior {name}, which is "
                f"not among those listed ({known}), and there is no default_settings"
                f"{suggestion(name, self.behaviors)}"
            )
        return found or BehaviorSettings()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunSettings) and self.model_dump() == other.model_dump()

    @model_validator(mode="before")
    @classmethod
    def _behaviors_start_from_default(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        default, behaviors = data.get("default_settings"), data.get("behaviors")
        if not isinstance(default, Mapping) or not isinstance(behaviors, Mapping):
            return data
        try:
            BehaviorSettings.model_validate(default)
        except ValidationError:  # reported once, for default_settings, and not again for each behavior
            return {**data, "behaviors": {}}
        return {**data, "behaviors": {name: inherit(default, own) for name, own in behaviors.items()}}

    @model_validator(mode="after")
    def _criteria_are_about_behaviors(self) -> Self:
        if self.default_settings is not None or not self.behaviors:
            return self
        errors = [
            InitErrorDetails(
                type=problem(
                    f"there is no behavior {criteria.behavior} among those listed ({', '.join(self.behaviors)})"
                    f"{suggestion(criteria.behavior, self.behaviors)}"
                ),
                loc=("environment_parameters", name, "curriculum", index, "completion_criteria", "behavior"),
                input=criteria.behavior,
            )
            for name, parameter in (self.environment_parameters or {}).items()
            for index, criteria in enumerate(lesson.completion_criteria for lesson in parameter.curriculum)
            if criteria is not None and criteria.behavior not in self.behaviors
        ]
        if errors:
            raise ValidationError.from_exception_data(type(self).__name__, errors)
        return self

    @field_validator("behaviors", mode="before")
    @classmethod
    def _empty_means_none(cls, behaviors: Any) -> Any:
        return {} if behaviors is None else behaviors


def inherit(default: Mapping[str, Any], own: Any) -> Any:
    """Return a behavior's block with the keys it leaves out taken from ``default_settings``.

    As in ML-Agents, maps are merged key by key, at every depth. Two things differ: only what the file says is
    inherited (so ``beta_schedule`` still follows the behavior's own ``learning_rate_schedule``), and
    ``hyperparameters`` are not inherited across different trainer types, whose keys differ.
    """
    if not isinstance(own, Mapping):
        return own
    if own.get("trainer_type", default.get("trainer_type")) != default.get("trainer_type"):
        default = {key: value for key, value in default.items() if key != "hyperparameters"}
    return deep_merge(default, own)


def deep_merge(base: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``update`` laid over it: maps key by key, everything else replaced."""
    merged = dict(base)
    for key, value in update.items():
        below = merged.get(key)
        both_maps = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = deep_merge(below, value) if both_maps else value  # type: ignore[arg-type]
    return merged
