"""Lessons follow one another by their criteria, and an environment hears of each in its turn."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_tools import SMALL
from hypothesis import given
from hypothesis import strategies as st
from scripted_env import make_spec
from task_envs import TaskEnv, noise, pay_one
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainers import UserError, train
from trainers.config import EnvironmentParameter, RunSettings, load_settings
from trainers.config.environment_parameters import CompletionCriteria, Sampler
from trainers.records.checkpoint import read_tensors
from trainers.training.curriculum import Curriculum, Performance, judge

numbers = st.floats(-1e6, 1e6)


def lessons(*criteria: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter of values 0, 1, 2 ...; each lesson but the last has criteria about the behavior Task."""
    rows = [{"completion_criteria": {"behavior": "Task", **one}} for one in criteria]
    return {
        "curriculum": [{"name": f"L{index}", "value": index, **row} for index, row in enumerate([*rows, {}])]
    }


def parameters(**own: Any) -> dict[str, EnvironmentParameter]:
    return dict(load_settings({"environment_parameters": own}).environment_parameters or {})


def value(sampler: Sampler) -> float:
    return sampler.sampler_parameters.value  # type: ignore[union-attr]


def criteria(**keys: Any) -> CompletionCriteria:
    return CompletionCriteria(behavior="Task", **keys)


@given(st.lists(numbers, max_size=20), numbers, numbers, st.integers(0, 20), st.booleans())
def test_reward_is_compared_with_the_threshold(
    returns: list[float], smoothed: float, threshold: float, least: int, smoothing: bool
) -> None:
    rule = criteria(min_lesson_length=least, threshold=threshold, signal_smoothing=smoothing)
    complete, after = judge(rule, Performance(1.0, returns=returns), smoothed)
    if len(returns) < max(least, 1):
        assert (complete, after) == (False, smoothed)
        return
    mean = float(np.mean(returns))
    measure = 0.25 * smoothed + 0.75 * mean if smoothing else mean
    assert complete == (measure > threshold)
    assert after == (measure if smoothing else smoothed)


@given(st.floats(0, 2), st.floats(0, 1), st.integers(0, 5), st.integers(0, 5))
def test_progress_is_compared_with_the_threshold(
    progress: float, threshold: float, episodes: int, least: int
) -> None:
    rule = criteria(measure="progress", min_lesson_length=least, threshold=threshold)
    complete, after = judge(rule, Performance(progress, returns=[9.0] * episodes), 0.5)
    assert complete == (episodes >= least and progress > threshold)
    assert after == 0.5


@given(st.floats(0.1, 100), st.floats(0.01, 0.99))
def test_smoothed_reward_comes_near_the_mean(mean: float, share: float) -> None:
    rule, smoothed, complete = criteria(threshold=share * mean), 0.0, False
    for _ in range(20):
        complete, smoothed = judge(rule, Performance(0.0, returns=[mean]), smoothed)
    assert complete
    assert smoothed == pytest.approx(mean, rel=1e-9)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.lists(numbers, max_size=5)), max_size=30),
    st.lists(st.floats(0, 1), max_size=4),
)
def test_lessons_only_go_forward_one_at_a_time(
    history: list[tuple[float, list[float]]], thresholds: list[float]
) -> None:
    own = lessons(*({"measure": "progress", "threshold": threshold} for threshold in thresholds))
    curriculum = Curriculum(parameters(mass=own, fixed=3.0))
    for progress, returns in history:
        before = curriculum.lessons["mass"]
        change = curriculum.advance({"Task": Performance(progress, returns=returns)})
        now = curriculum.lessons["mass"]
        assert now - before == (before < len(thresholds) and progress > thresholds[before])
        assert set(change.values) == ({"mass"} if now > before else set())
        assert value(curriculum.values["mass"]) == now
        assert value(curriculum.values["fixed"]) == 3.0
        assert curriculum.lessons["fixed"] == 0


def test_parameters_advance_on_their_own() -> None:
    fast, slow = {"measure": "progress", "threshold": 0.2}, {"measure": "progress", "threshold": 0.6}
    curriculum = Curriculum(parameters(a=lessons({**fast, "require_reset": True}), b=lessons(slow)))
    assert not curriculum.advance({}).values
    first = curriculum.advance({"Task": Performance(0.3)})
    second = curriculum.advance({"Task": Performance(0.7)})
    assert (set(first.values), first.reset) == ({"a"}, True)
    assert (set(second.values), second.reset) == ({"b"}, False)
    assert curriculum.tags == {
        "Environment/Lesson Number/a": 1.0,
        "Environment/Lesson Number/b": 1.0,
    }
    assert not curriculum.advance({"Other": Performance(1.0)}).values


def test_window_is_the_longest_lesson_of_the_behavior() -> None:
    other = {"behavior": "Other", "min_lesson_length": 50}
    own = lessons({"min_lesson_length": 7}, {"min_lesson_length": 3}, other)
    curriculum = Curriculum(parameters(a=own, b=1.0))
    assert [curriculum.window(name) for name in ("Task", "Other", "Third")] == [7, 50, 1]


def test_an_earlier_run_is_gone_on_with() -> None:
    own = parameters(mass=lessons({}, {}), long=lessons({}), new=lessons({}))
    status = {
        "mass": {"lesson_num": 1, "smoothed_reward": 0.5},
        "long": {"lesson_num": 9},
        "Task": {"checkpoints": []},
    }
    curriculum = Curriculum(own, status)
    assert curriculum.lessons == {"mass": 1, "long": 1, "new": 0}
    assert curriculum.smoothed == {"mass": 0.5, "long": 0.0, "new": 0.0}
    assert Curriculum(own, curriculum.status).status == curriculum.status


class Taught(TaskEnv):
    """Episodes of four steps, 1 each; notes what it is told, and when it is reset."""

    def __init__(self) -> None:
        super().__init__(make_spec((3,), continuous=1), noise((3,)), pay_one)
        self.told: list[Any] = []

    def set_parameters(self, values: Mapping[str, Sampler]) -> None:
        self.told.append({name: value(sampler) for name, sampler in values.items()})

    def reset(self) -> None:
        self.told.append("reset")
        super().reset()


def options(parameters: Mapping[str, Any], **checkpoints: Any) -> RunSettings:
    return load_settings(
        {
            "behaviors": {"Task": {**SMALL, "max_steps": 1000}},
            "env_settings": {"seed": 4},
            "environment_parameters": parameters,
            "checkpoint_settings": {"run_id": "run", **checkpoints},
        }
    )


def test_environment_is_told_and_reset() -> None:
    half, most = ({"measure": "progress", "threshold": threshold} for threshold in (0.5, 0.75))
    own = {
        "mass": lessons(half, {**most, "require_reset": True}),
        "slope": lessons({"threshold": 3.5, "min_lesson_length": 40}),
        "wind": 2.5,
    }
    env = Taught()
    train(env, options(own))
    start = {"mass": 0.0, "slope": 0.0, "wind": 2.5}
    assert env.told == [start, "reset", {"slope": 1.0}, {"mass": 1.0}, {"mass": 2.0}, "reset"]
    status = json.loads(Path("runs/run/run_logs/training_status.json").read_text())
    assert {name: status[name]["lesson_num"] for name in own} == {"mass": 2, "slope": 1, "wind": 0}
    events = EventAccumulator("runs/run/Task")
    events.Reload()
    shown = [(event.step, event.value) for event in events.Scalars("Environment/Lesson Number/mass")]
    assert len(shown) == 10
    assert [number for _, number in shown] == sorted(number for _, number in shown)
    assert {step // 100: number for step, number in shown} == {
        **dict.fromkeys(range(1, 5), 0.0),
        **dict.fromkeys(range(5, 8), 1.0),
        **dict.fromkeys(range(8, 11), 2.0),
    }

    env = Taught()
    longer = options(own, resume=True)
    behavior = longer.behaviors["Task"].model_copy(update={"max_steps": 1200})
    train(env, longer.model_copy(update={"behaviors": {"Task": behavior}}))
    assert env.told == [{"mass": 2.0, "slope": 1.0, "wind": 2.5}, "reset"]


def test_each_lesson_counts_episodes_of_its_own() -> None:
    class Counted(Taught):
        ended = 0

        def set_parameters(self, values: Mapping[str, Sampler]) -> None:
            self.told.append(self.ended)

        def step(self) -> None:
            super().step()
            self.ended += len(self.steps[1])

    env, rule = Counted(), {"threshold": 1.0, "min_lesson_length": 40}
    train(env, options({"mass": lessons(rule, rule)}))
    start, _, first, second = env.told
    assert start == 0
    assert 40 <= first < 50
    assert 80 <= second < 100


def test_the_best_policy_is_that_of_the_present_lesson() -> None:
    """The second lesson pays a tenth, so a policy of the first one would stay the best for ever."""

    class Harder(Taught):
        pays = 1.0

        def __init__(self) -> None:
            super().__init__()
            self.pay = lambda obs, action: np.full(self.agents, self.pays)

        def set_parameters(self, values: Mapping[str, Sampler]) -> None:
            self.pays = 0.1 if value(values["mass"]) else 1.0

    own = {"mass": lessons({"measure": "progress", "threshold": 0.45})}
    train(Harder(), options(own))
    best = read_tensors(Path("runs/run/Task/best.pt"))
    assert best["global_step"] > 850, "after 100 episodes of the second lesson"
    assert best["best_return"] == pytest.approx(0.4)
    longer = options(own, resume=True)
    behavior = longer.behaviors["Task"].model_copy(update={"max_steps": 1200})
    outcome = train(Harder(), longer.model_copy(update={"behaviors": {"Task": behavior}}))["Task"]
    assert outcome.best_return == pytest.approx(0.4)


def test_returns_of_another_lesson_do_not_count_after_a_resume() -> None:
    """A behavior's checkpoint may be older than the lessons, which are written with that of any behavior."""
    rule = {"threshold": 1.0, "min_lesson_length": 40}
    own = {"mass": lessons({"threshold": 9.0}, rule)}
    train(Taught(), options(own))
    assert len(read_tensors(Path("runs/run/Task/checkpoint.pt"))["recent_returns"]) == 100
    status = Path("runs/run/run_logs/training_status.json")
    content = json.loads(status.read_text())
    content["mass"]["lesson_num"] = 1
    status.write_text(json.dumps(content))
    longer = options(own, resume=True)
    behavior = longer.behaviors["Task"].model_copy(update={"max_steps": 1100})
    env = Taught()
    train(env, longer.model_copy(update={"behaviors": {"Task": behavior}}))
    assert env.told == [{"mass": 1.0}, "reset"], "25 of the 40 episodes of this lesson"
    assert len(read_tensors(Path("runs/run/Task/checkpoint.pt"))["recent_returns"]) < 40


def test_environment_that_takes_none() -> None:
    class Deaf(Taught):
        set_parameters = None  # type: ignore[assignment]

    with pytest.raises(UserError, match="environment_parameters: Deaf takes none"):
        train(Deaf(), options({"mass": 1.0}))
    assert not Path("runs/run").exists()
