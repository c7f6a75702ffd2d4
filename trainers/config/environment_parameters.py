"""The ``environment_parameters`` block: numbers, samplers and curricula for the environment."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, field_validator, model_validator

from gym_adapters.teams import parts_of
from trainers.config.base import (
    FLOAT32_MAX,
    CountOrZero,
    Flag,
    NonNegative,
    Real,
    Seed,
    Settings,
    problem,
    show,
)


def _sendable(value: float) -> float:
    """Return the value, or raise an error if a message to a player cannot hold it."""
    if abs(value) > FLOAT32_MAX:
        raise problem(f"expected a number from {-FLOAT32_MAX:g} to {FLOAT32_MAX:g}, got {show(value)}")
    return value


SentReal = Annotated[Real, AfterValidator(_sendable)]


class SamplerParameters(Settings):
    """The key that all samplers share."""

    seed: Seed = Field(default=-1, description="Seed of the sampler. -1: derived from the seed of the run.")


class ConstantParameters(SamplerParameters):
    """A constant."""

    value: SentReal = Field(default=0.0, description="The value.")


class UniformParameters(SamplerParameters):
    """A uniform distribution."""

    min_value: SentReal = Field(default=0.0, description="Lower bound.")
    max_value: SentReal = Field(default=1.0, description="Upper bound.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_value > self.max_value:
            raise problem(f"min_value ({self.min_value}) must not exceed max_value ({self.max_value})")
        return self


class GaussianParameters(SamplerParameters):
    """A normal distribution."""

    mean: SentReal = Field(default=1.0, description="Mean.")
    st_dev: Annotated[NonNegative, AfterValidator(_sendable)] = Field(
        default=1.0, description="Standard deviation."
    )


class MultiRangeUniformParameters(SamplerParameters):
    """A uniform distribution over several intervals, each weighted by its length."""

    intervals: tuple[tuple[SentReal, SentReal], ...] = Field(
        default=((0.0, 1.0),), description="List of [lower bound, upper bound]."
    )

    @field_validator("intervals", mode="after")
    @classmethod
    def _ordered(cls, intervals: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if not intervals or any(low > high for low, high in intervals):
            raise problem(
                f"expected a list of [lower bound, upper bound], got {show([list(pair) for pair in intervals])}"
            )
        return intervals


class ConstantSampler(Settings):
    """``sampler_type: constant``."""

    sampler_type: Literal["constant"] = Field(description="The distribution.")
    sampler_parameters: ConstantParameters = Field(description="Its value.")


class UniformSampler(Settings):
    """``sampler_type: uniform``."""

    sampler_type: Literal["uniform"] = Field(description="The distribution.")
    sampler_parameters: UniformParameters = Field(
        default_factory=UniformParameters, description="Its bounds."
    )


class GaussianSampler(Settings):
    """``sampler_type: gaussian``."""

    sampler_type: Literal["gaussian"] = Field(description="The distribution.")
    sampler_parameters: GaussianParameters = Field(
        default_factory=GaussianParameters, description="Its mean and standard deviation."
    )


class MultiRangeUniformSampler(Settings):
    """``sampler_type: multirangeuniform``."""

    sampler_type: Literal["multirangeuniform"] = Field(description="The distribution.")
    sampler_parameters: MultiRangeUniformParameters = Field(
        default_factory=MultiRangeUniformParameters, description="Its intervals."
    )


Sampler = ConstantSampler | UniformSampler | GaussianSampler | MultiRangeUniformSampler

SAMPLERS: dict[str, type[Settings]] = {
    "constant": ConstantSampler,
    "uniform": UniformSampler,
    "gaussian": GaussianSampler,
    "multirangeuniform": MultiRangeUniformSampler,
}


def _read_sampler(value: Any) -> Any:
    """Return the sampler of a number or of a map with ``sampler_type`` and ``sampler_parameters``."""
    if isinstance(value, tuple(SAMPLERS.values())):
        return value
    if not isinstance(value, Mapping):
        parameters = ConstantParameters(value=TypeAdapter(SentReal).validate_python(value))
        return ConstantSampler(sampler_type="constant", sampler_parameters=parameters)
    kind = value.get("sampler_type")
    if not isinstance(kind, str) or kind not in SAMPLERS:
        raise problem(f"sampler_type must be one of {', '.join(SAMPLERS)}, got {show(kind)}")
    return SAMPLERS[kind].model_validate(value)


AnySampler = Annotated[Sampler, BeforeValidator(_read_sampler)]


class CompletionCriteria(Settings):
    """When a lesson ends."""

    behavior: str = Field(description="Behavior that is measured.")
    measure: Literal["reward", "progress", "Elo"] = Field(
        default="reward",
        description="The measure that threshold applies to: mean episode reward, steps / max_steps (progress), or the "
        "rating of self-play (Elo).",
    )
    min_lesson_length: CountOrZero = Field(
        default=0, description="Smallest number of episodes in the lesson."
    )
    signal_smoothing: Flag = Field(
        default=True,
        description="Whether the measure is smoothed: 0.25 of its last value and 0.75 of the new one.",
    )
    threshold: Real = Field(
        default=0.0, description="Value that the measure must exceed: 0-1 if measure is progress."
    )
    require_reset: Flag = Field(default=False, description="Whether the next lesson resets the environments.")

    @field_validator("behavior", mode="after")
    @classmethod
    def _without_team(cls, behavior: str) -> str:
        """Drop the team of a behavior id: the behaviors that are measured have none, as in ``behaviors``."""
        return parts_of(behavior)[0]

    @model_validator(mode="after")
    def _progress_lies_between_0_and_1(self) -> Self:
        if self.measure == "progress" and not 0 <= self.threshold <= 1:
            raise problem(f"threshold must be from 0 to 1 if measure is progress, got {self.threshold}")
        return self


class Lesson(Settings):
    """One lesson of a curriculum."""

    name: str = Field(description="Name of the lesson.")
    value: AnySampler = Field(description="A number or a sampler: the parameter's value in this lesson.")
    completion_criteria: CompletionCriteria | None = Field(
        default=None, description="When the lesson ends. Every lesson but the last needs it."
    )


class EnvironmentParameter(Settings):
    """The lessons of one parameter. A number or a sampler in place of this block is a single lesson."""

    curriculum: tuple[Lesson, ...] = Field(description="Lessons, in order.")

    @model_validator(mode="before")
    @classmethod
    def _single_lesson(cls, data: Any) -> Any:
        if isinstance(data, cls) or (isinstance(data, Mapping) and "sampler_type" not in data):
            return data
        return {"curriculum": (Lesson(name="", value=_read_sampler(data)),)}

    def named(self, name: str) -> Self:
        """Return the parameter with its own name for a lesson without one, as ML-Agents names a number or a sampler."""
        lessons = tuple(
            lesson if lesson.name else lesson.model_copy(update={"name": name}) for lesson in self.curriculum
        )
        return self.model_copy(update={"curriculum": lessons})

    @field_validator("curriculum", mode="after")
    @classmethod
    def _chained(cls, lessons: tuple[Lesson, ...]) -> tuple[Lesson, ...]:
        if not lessons:
            raise problem("expected at least one lesson")
        for lesson in lessons[:-1]:
            if lesson.completion_criteria is None:
                raise problem(
                    f"lesson {lesson.name} needs completion_criteria; only the last lesson may leave it out"
                )
        return lessons
