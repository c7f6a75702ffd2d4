"""The file of a search: what is trained, which keys vary and how, and how a trial is measured."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from bridge.process import looks_like_player
from gym_adapters.errors import UserError, place_named
from trainers.config import CheckpointSettings, RunSettings, load_settings
from trainers.config.base import Count, Flag, PathText, Positive, Real, SentCountOrZero, Settings, problem
from trainers.config.dump import as_yaml
from trainers.config.errors import listed
from trainers.config.loader import load_block
from trainers.config.overrides import flatten
from trainers.config.reader import parse_yaml, read_source
from trainers.config.run import deep_merge
from trainers.config.written import plain

OWN_KEYS = ("checkpoint_settings", "env_settings.seed", "env_settings.base_port", "wandb", "debug")
"""Keys that a search sets itself, or that do not change what is learned."""


class Parameter(Settings):
    """The values of one key: a range of numbers, or a list of choices."""

    low: Real | None = Field(default=None, description="Smallest value.")
    high: Real | None = Field(default=None, description="Largest value.")
    log: Flag = Field(default=False, description="Whether each power of ten is tried as often as the next.")
    step: Positive | None = Field(default=None, description="Distance of the values, counted from low.")
    choices: list[Any] | None = Field(default=None, description="The values.", min_length=1)

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> Self:
        numbers = (self.low, self.high, self.step)
        if self.choices is not None:
            if self.log or any(number is not None for number in numbers):
                raise problem("expected either choices, or low and high, got both")
        elif self.low is None or self.high is None:
            raise problem("expected low and high, or choices")
        elif not self.low < self.high:
            raise problem(f"expected low < high, got {self.low:g} and {self.high:g}")
        elif self.log and self.low <= 0:
            raise problem(f"log: true needs low > 0, got {self.low:g}")
        elif self.log and self.step is not None:
            raise problem("expected either log: true or step, got both")
        elif self.step is not None and self.step > self.high - self.low:
            raise problem(f"expected step <= high - low, got {self.step:g}")
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        """The choices as YAML."""
        return tuple(map(as_yaml, plain(self.choices or [])))


class PrunerSettings(Settings):
    """The median rule: a trial ends early if its best summary is below the median of the others at the same summary."""

    after: Count = Field(description="Summaries of a trial after which it may end.")
    first_trials: Count = Field(default=5, description="Trials that must be complete before one ends early.")


class SearchFile(Settings):
    """The file of `python -m trainers.search`."""

    training_file: PathText | None = Field(
        default=None, description="Training file, relative to this file. null: settings has its content."
    )
    settings: dict[str, Any] | None = Field(
        default=None,
        description="The content of a training file, or keys that replace those of training_file.",
    )
    space: dict[str, Parameter] = Field(
        description="Keys of the training file as --set names them, and their values.", min_length=1
    )
    seeds: tuple[SentCountOrZero, ...] = Field(
        default=(0, 1), min_length=1, description="Seeds of each trial; their trainings run side by side."
    )
    measure: Literal["final", "best"] = Field(
        default="final",
        description="final: the mean return, or with self-play the Elo rating, of the summaries in the last tenth of "
        "the steps. best: of the best one.",
    )
    behavior: str | None = Field(
        default=None, description="The behavior that is measured. null: the only one of the environment."
    )
    sampler: Literal["tpe", "random"] = Field(
        default="tpe", description="tpe: near the values of good trials. random: anywhere."
    )
    pruner: PrunerSettings | None = Field(default=None, description="When trials end early. null: never.")

    @field_validator("seeds", mode="after")
    @classmethod
    def _differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise problem(f"expected different seeds, got {', '.join(map(str, seeds))}")
        return seeds

    @model_validator(mode="after")
    def _has_settings(self) -> Self:
        if self.training_file is None and self.settings is None:
            raise problem("expected training_file or settings")
        return self


@dataclass(frozen=True)
class Search:
    """A file of a search with what the command line adds.

    Attributes:
        file: The content of the file.
        content: The content of the training file.
        overrides: `--set` strings for all trials.
        options: Options of the command line, in the structure of the training file.
        base: The settings of a trial before any of its own values.
        whole: The keys of the space that take whole numbers.
    """

    file: SearchFile
    content: Mapping[str, Any]
    overrides: tuple[str, ...]
    options: Mapping[str, Any]
    base: RunSettings
    whole: frozenset[str] = frozenset()

    def settings(self, values: Mapping[str, str]) -> RunSettings:
        """Return the settings of a trial.

        Args:
            values: The value of each key of the space, as YAML.

        Returns:
            The settings, with a new run's `checkpoint_settings`; only `initialize_from` is that of the training file.

        Raises:
            UserError: The values do not fit each other.
        """
        changes = [f"{key}={text}" for key, text in values.items()]
        settings = load_settings(self.content, [*self.overrides, *changes], self.options)
        start = CheckpointSettings(initialize_from=settings.checkpoint_settings.initialize_from)
        return settings.model_copy(update={"checkpoint_settings": start})

    @property
    def unit(self) -> str:
        """What summaries are measured by: "Elo rating" with self-play, else "mean return"."""
        name, blocks = self.file.behavior, list(self.base.behavior_blocks.values())
        measured = blocks if name is None else [self.base.behavior(name)]
        plays = any(behavior.self_play is not None for behavior in measured)
        return "Elo rating" if plays else "mean return"

    def identity(self) -> dict[str, Any]:
        """Return all that decides what a trial's value means, as one flat map that JSON holds."""
        settings = flatten(self.base.model_dump(mode="json"))
        place = "env_settings.env_path"
        owned = (*OWN_KEYS, "torch_settings", *([place] if looks_like_player(settings[place]) else []))
        kept = {f"settings.{key}": value for key, value in settings.items() if not key.startswith(owned)}
        file = self.file.model_dump(mode="json", include={"seeds", "measure", "behavior"})
        space = {
            f"space.{key}": as_yaml(plain(parameter.model_dump(exclude_defaults=True)))
            for key, parameter in self.file.space.items()
        }
        return {**kept, **file, **space}


def load_search(path: Path, env: str | None = None, overrides: Sequence[str] = ()) -> Search:
    """Read the file of a search, and check each key of the space and its values with the training file.

    Args:
        path: The file.
        env: Replaces `env_path` of the training file.
        overrides: `--set` strings for all trials.

    Raises:
        UserError: A file cannot be read or is invalid, or there is no environment that can be started.
    """
    label, file = load_block(path, SearchFile, "the file of a search (.yaml)")
    training: dict[str, Any] = {}
    if file.training_file is not None:
        place = path.parent / file.training_file
        load_settings(place)  # its own mistakes are named with its path
        training = dict(read_source(place)[1])
    training = deep_merge(training, file.settings or {})
    with place_named(label):
        load_settings(training)
    options = {} if env is None else {"env_settings": {"env_path": env}}
    base = load_settings(training, overrides, options)
    if base.env_settings.env_path is None:
        raise UserError(f"{label}: there is no environment to start; give --env, or env_settings.env_path")
    if file.behavior is None and len(base.behaviors) > 1:
        raise UserError(f"{label}: behavior: choose one of {', '.join(base.behaviors)}")
    search = Search(file, training, tuple(overrides), options, base)
    mistakes, whole = [], set()
    for key, parameter in file.space.items():
        mistake = _mistake(search, key, parameter)
        if mistake:
            mistakes.append(f"{label}: space: {mistake}")
        elif parameter.choices is None and _refusal(search, key, _between(parameter)):
            whole.add(key)
    if mistakes:
        raise UserError(listed(mistakes))
    return replace(search, whole=frozenset(whole))


def _mistake(search: Search, key: str, parameter: Parameter) -> str:
    """Return what is wrong with a key of the space; empty if nothing is."""
    if key.startswith(OWN_KEYS):
        return f"{key}: a search cannot vary this key"
    if parameter.choices is not None:
        return next(filter(None, (_refusal(search, key, text) for text in parameter.texts)), "")
    ends = [as_yaml(_plain_number(number)) for number in (parameter.low, parameter.high)]
    mistake = next(filter(None, (_refusal(search, key, text) for text in ends)), "")
    step = parameter.step
    if not mistake and step is not None and not step.is_integer():
        return (
            f"{key}: expected a whole step, got {step:g}"
            if _refusal(search, key, _between(parameter))
            else ""
        )
    return mistake


def _refusal(search: Search, key: str, text: str) -> str:
    """Return what the training file says against a value of a key; empty if it takes the value.

    That the value does not fit others is not said: they may vary too.
    """
    try:
        parse_yaml(text, key)
        search.settings({key: text})
    except UserError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        own = [line for line in lines if line.startswith("--set")]
        return own[0].removeprefix("--set").lstrip(": ") if own else ""
    return ""


def _between(parameter: Parameter) -> str:
    """Return a number of a range that is not whole."""
    assert parameter.low is not None
    assert parameter.high is not None
    return as_yaml(parameter.low + (parameter.high - parameter.low) / math.pi)


def _plain_number(number: float | None) -> int | float | None:
    return int(number) if number is not None and number.is_integer() else number
