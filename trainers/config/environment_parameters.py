"""The ``environment_parameters`` block: numbers, samplers and curricula that the player is sent."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, field_validator, model_validator

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
    """Return a value that a message to a player holds, or raise an error that says how large it may be."""
    if abs(value) > FLOAT32_MAX:
        raise problem(f"expected a number from {-FLOAT32_MAX:g} to {FLOAT32_MAX:g}, got {show(value)}")
    return value


SentReal = Annotated[Real, AfterValidator(_sendable)]


class SamplerParameters(Settings):
    """The key that every sampler has."""

    seed: Seed = Field(default=-1, description="Seed of the sampler. -1: one of its own.")


class ConstantParameters(SamplerParameters):
    """Always the same value."""

    value: SentReal = Field(default=0.0, description="The value.")


class UniformParameters(SamplerParameters):
    """Evenly between two bounds."""

    min_value: SentReal = Field(default=0.0, description="Least value.")
    max_value: SentReal = Field(default=1.0, description="Greatest value.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_value > self.max_value:
            raise problem(f"min_value ({self.min_value}) must not exceed max_value ({self.max_value})")
        return self


class GaussianParameters(SamplerParameters):
    """Normally distributed."""

    mean: SentReal = Field(default=1.0, description="Mean.")
    st_dev: Annotated[NonNegative, AfterValidator(_sendable)] = Field(
        default=1.0, description="Standard deviation."
    )


class MultiRangeUniformParameters(SamplerParameters):
    """Evenly over several intervals, each weighted by its length."""

    intervals: tuple[tuple[SentReal, SentReal], ...] = Field(
        default=((0.0, 1.0),), description="List of [least, greatest]."
    )

    @field_validator("intervals", mode="after")
    @classmethod
    def _ordered(cls, intervals: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if not intervals or any(least > greatest for least, greatest in intervals):
            raise problem(
                f"expected a list of [least, greatest], got {show([list(pair) for pair in intervals])}"
            )
        return intervals


class ConstantSampler(Settings):
    """``sampler_type: constant``."""

    sampler_type: Literal["constant"] = Field(description="Distribution.")
    sampler_parameters: ConstantParameters = Field(description="Its value.")


class UniformSampler(Settings):
    """``sampler_type: uniform``."""

    sampler_type: Literal["uniform"] = Field(description="Distribution.")
    sampler_parameters: UniformParameters = Field(
        default_factory=UniformParameters, description="Its bounds."
    )


class GaussianSampler(Settings):
    """``sampler_type: gaussian``."""

    sampler_type: Literal["gaussian"] = Field(description="Distribution.")
    sampler_parameters: GaussianParameters = Field(
        default_factory=GaussianParameters, description="Its mean and deviation."
    )


class MultiRangeUniformSampler(Settings):
    """``sampler_type: multirangeuniform``."""

    sampler_type: Literal["multirangeuniform"] = Field(description="Distribution.")
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
    """Return the sampler that a number or a ``{sampler_type, sampler_parameters}`` map stands for."""
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
    """When a lesson is over."""

    behavior: str = Field(description="Behavior whose progress is measured.")
    measure: Literal["reward", "progress"] = Field(
        default="reward",
        description="What is compared with threshold: the mean episode reward, or steps / max_steps.",
    )
    min_lesson_length: CountOrZero = Field(
        default=0, description="Least number of finished episodes in the lesson."
    )
    signal_smoothing: Flag = Field(
        default=True,
        description="Whether the measure is smoothed: 0.25 of the old value and 0.75 of the new.",
    )
    threshold: Real = Field(default=0.0, description="Value to exceed; 0-1 when measure is progress.")
    require_reset: Flag = Field(
        default=False, description="Whether the environments are reset for the next lesson."
    )

    @model_validator(mode="after")
    def _progress_is_a_share(self) -> Self:
        if self.measure == "progress" and not 0 <= self.threshold <= 1:
            raise problem(f"threshold must be from 0 to 1 when measure is progress, got {self.threshold}")
        return self


class Lesson(Settings):
    """One lesson of a curriculum."""

    name: str = Field(description="Name of the lesson.")
    value: AnySampler = Field(description="A number or a sampler: the parameter's value in this lesson.")
    completion_criteria: CompletionCriteria | None = Field(
        default=None, description="When the next lesson starts. Every lesson but the last needs it."
    )


class EnvironmentParameter(Settings):
    """The lessons of one parameter; a bare number or sampler in the file becomes a single lesson."""

    curriculum: tuple[Lesson, ...] = Field(description="Lessons in their order.")

    @model_validator(mode="before")
    @classmethod
    def _single_lesson(cls, data: Any) -> Any:
        if isinstance(data, cls) or (isinstance(data, Mapping) and "sampler_type" not in data):
            return data
        return {"curriculum": (Lesson(name="Lesson0", value=_read_sampler(data)),)}

    @field_validator("curriculum", mode="after")
    @classmethod
    def _chained(cls, lessons: tuple[Lesson, ...]) -> tuple[Lesson, ...]:
        if not lessons:
            raise problem("expected at least one lesson")
        for lesson in lessons[:-1]:
            if lesson.completion_criteria is None:
                raise problem(
                    f"lesson {lesson.name} needs completion_criteria; only the last lesson may lack them"
                )
        return lessons
