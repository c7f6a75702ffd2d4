"""The whole training file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, ValidationInfo, field_validator, model_validator

from gym_adapters.errors import UserError
from gym_adapters.limits import BEHAVIORS
from gym_adapters.teams import parts_of
from trainers.config.base import (
    Flag,
    PathText,
    Seconds,
    Settings,
    Threads,
    deprecated,
    extension,
    problem,
    show,
)
from trainers.config.behavior import BehaviorSettings
from trainers.config.environment import EngineSettings, EnvSettings
from trainers.config.environment_parameters import EnvironmentParameter

ONE_START = ("resume", "force", "inference")
"""The keys of `checkpoint_settings` that are about one start of a run. A run's own record does not repeat them."""


class CheckpointSettings(Settings):
    """Where a run is saved and what it starts from."""

    run_id: str | None = Field(
        default=None,
        description="Name of the run. null: a unique name (mlagents-learn: ppo).",
    )
    load_model: Flag = deprecated(False, description="Deprecated name of resume; read and ignored.")
    resume: Flag = Field(default=False, description="Whether the run of this name continues.")
    initialize_from: PathText | None = Field(
        default=None,
        description="Run whose policies this run starts from: its name in results_dir, or else its path. It has no "
        "effect if resume is true.",
    )
    force: Flag = Field(
        default=False,
        description="Whether a run of the same name is overwritten. It has no effect if resume is true.",
    )
    train_model: Flag = deprecated(False, description="Deprecated opposite of inference; read and ignored.")
    inference: Flag = Field(default=False, description="Whether the policies act without learning.")
    results_dir: PathText = Field(
        default="runs", description="Folder of all run folders (mlagents-learn: results)."
    )

    @property
    def folder(self) -> Path:
        """The folder of a run that has a `run_id`, as the user named it."""
        return Path(self.results_dir, str(self.run_id))

    @property
    def watches(self) -> bool:
        """Whether an earlier run is only watched, which changes none of its files."""
        return self.resume and self.inference

    @field_validator("initialize_from", mode="after")
    @classmethod
    def _resume_wins(cls, run: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("resume"):
            return None
        if run is not None and run == info.data.get("run_id"):
            raise problem(f"{show(run)} is the run itself; give the new run another run_id, or use resume")
        return run


class TorchSettings(Settings):
    """The device, the threads and the precision of PyTorch."""

    device: str | None = Field(
        default=None,
        description="cpu, cuda, cuda:0, mps, ..., or auto, which is the faster of cpu and cuda in a short measurement. "
        "null: auto.",
    )
    num_threads: Threads | None = extension(
        None,
        description="CPU threads of PyTorch. null: 1 for small networks, else the fastest in a short measurement, and "
        "fewer while other programs keep the cores busy.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = extension(
        "auto",
        description="Precision of the policy's image encoders in training. Everything else is float32. auto: the "
        "faster of both in a short measurement.",
    )
    cuda_graphs: Flag = extension(
        True,
        description="Whether a CUDA GPU replays gradient steps that were recorded once, instead of starting each of "
        "their operations from Python. Not with memory, dropout, threaded or several ranks.",
    )


class RankSettings(Settings):
    """Several ranks, the processes that torchrun starts to train together. Without torchrun it has no effect."""

    scale_batch: Flag = extension(
        False,
        description="Whether counts of agent steps (batch_size, buffer_size, max_steps, summary_freq and so on) are "
        "those of each rank. Otherwise they are totals of all ranks.",
    )
    timeout: Seconds = extension(
        1800, description="Seconds that a rank waits for the others before the run ends with an error."
    )
    preemption: float | None = extension(
        None,
        description="Share of the ranks, above 0 and at most 1, that must have collected their part for the others to "
        "end theirs early. null: all ranks make the same number of steps, and wait for the slowest one.",
        gt=0.0,
        le=1.0,
    )


class RunSettings(Settings):
    """The training file: every setting of a run."""

    default_settings: BehaviorSettings | None = Field(
        default=None,
        description="Settings of the behaviors that behaviors does not list, and of the keys that a listed behavior "
        "leaves out.",
    )
    behaviors: dict[str, BehaviorSettings] = Field(
        default_factory=dict, description="Settings of each behavior, by its name."
    )
    env_settings: EnvSettings = Field(default_factory=EnvSettings, description="The environment.")
    engine_settings: EngineSettings = Field(default_factory=EngineSettings, description="The Unity engine.")
    environment_parameters: dict[str, EnvironmentParameter] | None = Field(
        default=None,
        description="Numbers, samplers or curricula that the environment receives, by the parameter's name.",
    )
    checkpoint_settings: CheckpointSettings = Field(
        default_factory=CheckpointSettings, description="The run folder."
    )
    torch_settings: TorchSettings = Field(default_factory=TorchSettings, description="PyTorch.")
    rank_settings: RankSettings = extension(
        default_factory=RankSettings, description="Several ranks that train together."
    )
    debug: Flag = Field(
        default=False,
        description="Whether the training commands also print debug messages, with all settings among them. Then each "
        "message has its time and its line of code.",
    )
    monitor: Flag = extension(
        False,
        description="Whether each behavior's folder also gets monitor.csv, with a row for each episode, in the format "
        "of Stable-Baselines3's monitor. Not with inference.",
    )
    wandb: str | None = extension(
        None,
        description="Weights & Biases project that logs the run. It needs the extra wandb. null: none.",
        min_length=1,
    )

    _source: str | None = PrivateAttr(None)

    @property
    def source(self) -> str | None:
        """The label of the training file in error messages; None if there was no file."""
        return self._source

    @property
    def behavior_blocks(self) -> dict[str, BehaviorSettings]:
        """The blocks of behaviors, by their paths: ``default_settings`` if the file has it, then ``behaviors.NAME``."""
        default = {} if self.default_settings is None else {"default_settings": self.default_settings}
        return default | {f"behaviors.{name}": behavior for name, behavior in self.behaviors.items()}

    def behavior(self, name: str) -> BehaviorSettings:
        """Return the settings of a behavior. A ``?team=1`` at the end of its name is ignored.

        Raises:
            UserError: The training file has neither this behavior nor ``default_settings``.
        """
        name = parts_of(name)[0]
        found = self.behaviors.get(name, self.default_settings)
        if found is None and (self._source is not None or self.behaviors):
            known = ", ".join(self.behaviors) or "none"
            raise UserError(
                f"{self._source or 'settings'}: behaviors: the environment has a behavior {name}, which is "
                f"not among those listed ({known}), and there is no default_settings; add it, or rename the one meant"
            )
        return found or BehaviorSettings()

    def changed(self, **blocks: Mapping[str, Any]) -> Self:
        """Return these settings with other values of keys, by the names of their blocks. They are not checked."""
        update = {name: getattr(self, name).model_copy(update=keys) for name, keys in blocks.items()}
        return self.model_copy(update=update)

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

    @field_validator("environment_parameters", mode="after")
    @classmethod
    def _single_lessons_have_the_name_of_the_parameter(
        cls, parameters: dict[str, EnvironmentParameter] | None
    ) -> dict[str, EnvironmentParameter] | None:
        return parameters and {name: parameter.named(name) for name, parameter in parameters.items()}

    @field_validator("behaviors", mode="before")
    @classmethod
    def _no_more_than_fit(cls, behaviors: Any) -> Any:
        if isinstance(behaviors, Mapping) and len(behaviors) > BEHAVIORS:
            raise problem(f"expected at most {BEHAVIORS:,} behaviors, got {len(behaviors):,}")
        return {} if behaviors is None else behaviors


def inherit(default: Mapping[str, Any], own: Any) -> Any:
    """Return a behavior's block, with the keys that it leaves out taken from ``default_settings``.

    As in ML-Agents, maps are merged key by key, at every depth. Two things differ. Only keys in the file are inherited,
    no defaults: ``beta_schedule`` still follows the behavior's own ``learning_rate_schedule``. ``hyperparameters`` are
    inherited only by the same ``trainer_type``.
    """
    if not isinstance(own, Mapping):
        return own
    if own.get("trainer_type", default.get("trainer_type")) != default.get("trainer_type"):
        default = {key: value for key, value in default.items() if key != "hyperparameters"}
    return deep_merge(default, own)


def deep_merge(base: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` updated by ``update``: maps are merged key by key, all other values are replaced."""
    merged = dict(base)
    for key, value in update.items():
        below = merged.get(key)
        both_maps = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = deep_merge(below, value) if both_maps else value  # type: ignore[arg-type]
    return merged
