"""Numbers, samplers and curricula of ``environment_parameters``."""

from typing import Any

import pytest

from tests.refusals import refused
from trainers.config import (
    ConstantSampler,
    EnvironmentParameter,
    GaussianSampler,
    MultiRangeUniformSampler,
    UniformSampler,
    load_settings,
)


def parameter(value: Any) -> EnvironmentParameter:
    parameters = load_settings({"environment_parameters": {"mass": value}}).environment_parameters
    assert parameters is not None
    return parameters["mass"]


@pytest.mark.parametrize(
    "value", [2, 2.0, "2e0", {"sampler_type": "constant", "sampler_parameters": {"value": 2}}]
)
def test_a_number_is_one_lesson_with_a_constant(value: Any) -> None:
    (lesson,) = parameter(value).curriculum
    assert isinstance(lesson.value, ConstantSampler)
    assert lesson.value.sampler_parameters.value == 2.0
    assert lesson.completion_criteria is None
    assert lesson.name == "mass"


@pytest.mark.parametrize(
    ("kind", "sampler"),
    [
        ("uniform", UniformSampler),
        ("gaussian", GaussianSampler),
        ("multirangeuniform", MultiRangeUniformSampler),
    ],
)
def test_sampler_type_picks_the_parameters(kind: str, sampler: type) -> None:
    (lesson,) = parameter({"sampler_type": kind}).curriculum
    assert type(lesson.value) is sampler
    assert lesson.name == "mass"
    assert lesson.value.sampler_parameters.seed == -1


def test_criteria_about_a_team_measure_its_behavior() -> None:
    rule = {"behavior": "Goalie?team=1", "threshold": 1}
    own = {
        "curriculum": [
            {"name": "A", "value": 1, "completion_criteria": rule},
            {"name": "B", "value": 2},
        ]
    }
    criteria = parameter(own).curriculum[0].completion_criteria
    assert criteria is not None
    assert criteria.behavior == "Goalie"


def test_a_curriculum_keeps_its_lessons_in_order() -> None:
    criteria = {"behavior": "Walker", "threshold": 0.3, "measure": "progress"}
    lessons = parameter(
        {
            "curriculum": [
                {"name": "Easy", "value": 1, "completion_criteria": criteria},
                {
                    "name": "Hard",
                    "value": {"sampler_type": "uniform", "sampler_parameters": {"max_value": 3}},
                },
            ]
        }
    ).curriculum
    assert [lesson.name for lesson in lessons] == ["Easy", "Hard"]
    assert lessons[0].completion_criteria is not None
    assert lessons[0].completion_criteria.threshold == 0.3
    assert isinstance(lessons[1].value, UniformSampler)
    assert lessons[1].value.sampler_parameters.max_value == 3.0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("heavy", "mass: expected a number, got 'heavy'"),
        (True, "mass: expected a number, got True"),
        ({"curiculum": []}, "mass.curiculum: unknown key; did you mean curriculum?"),
        ({"curriculum": []}, "mass.curriculum: expected at least one lesson"),
        ({"sampler_type": "normal"}, "mass: sampler_type must be one of constant, uniform, gaussian, "),
        ({"sampler_type": ["uniform"]}, "mass: sampler_type must be one of"),
        ({"sampler_type": "constant"}, "mass.sampler_parameters: this key is needed"),
        (
            {"sampler_type": "uniform", "sampler_parameters": {"min_value": 3}},
            "mass.sampler_parameters: min_value (3.0) must not exceed max_value (1.0)",
        ),
        (
            {"sampler_type": "gaussian", "sampler_parameters": {"st_dev": -1}},
            "mass.sampler_parameters.st_dev: expected a number >= 0, got -1",
        ),
        (
            {"sampler_type": "multirangeuniform", "sampler_parameters": {"intervals": [[2, 1]]}},
            "mass.sampler_parameters.intervals: expected a list of [lower bound, upper bound], got [[2.0, 1.0]]",
        ),
        (
            {"sampler_type": "multirangeuniform", "sampler_parameters": {"intervals": [[1]]}},
            "mass.sampler_parameters.intervals.0.1: expected more values, got [1]",
        ),
        (
            {"sampler_type": "multirangeuniform", "sampler_parameters": {"intervals": [[1, 2, 3]]}},
            "mass.sampler_parameters.intervals.0: expected fewer values, got [1, 2, 3]",
        ),
        (
            {"sampler_type": "multirangeuniform", "sampler_parameters": {"intervals": []}},
            "mass.sampler_parameters.intervals: expected a list of [lower bound, upper bound], got []",
        ),
        (
            {"curriculum": [{"name": "Easy", "value": 1}, {"name": "Hard", "value": 2}]},
            "mass.curriculum: lesson Easy needs completion_criteria",
        ),
        (1e39, "mass: expected a number from -3.4e+38 to 3.4e+38, got 1e+39"),
        (
            {"sampler_type": "uniform", "sampler_parameters": {"min_value": -1e39}},
            "mass.sampler_parameters.min_value: expected a number from -3.4e+38 to 3.4e+38, got -1e+39",
        ),
        (
            {"sampler_type": "gaussian", "sampler_parameters": {"st_dev": 1e39}},
            "mass.sampler_parameters.st_dev: expected a number from -3.4e+38 to 3.4e+38, got 1e+39",
        ),
        (
            {"sampler_type": "uniform", "sampler_parameters": {"seed": 3_000_000_000}},
            "seed: expected a whole number >= -1 and <= 2147483647, got 3000000000",
        ),
        (
            {"curriculum": [{"name": "Easy", "value": "x"}]},
            "mass.curriculum.0.value: expected a number, got 'x'",
        ),
        (
            {
                "curriculum": [
                    {"name": "A", "value": 1, "completion_criteria": {"behavior": "W", "measure": "elo"}}
                ]
            },
            "mass.curriculum.0.completion_criteria.measure: expected 'reward', 'progress' or 'Elo', got 'elo'",
        ),
        (
            {
                "curriculum": [
                    {
                        "name": "A",
                        "value": 1,
                        "completion_criteria": {"behavior": "W", "measure": "progress", "threshold": 2},
                    }
                ]
            },
            "completion_criteria: threshold must be from 0 to 1 if measure is progress, got 2.0",
        ),
    ],
)
def test_refused_with_the_path(value: Any, message: str) -> None:
    assert message in refused(parameter, value)
