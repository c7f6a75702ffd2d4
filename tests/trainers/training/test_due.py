"""Summaries, evaluations and checkpoints are due at multiples of their intervals."""

import math
from types import SimpleNamespace

import pytest

from trainers.training.due import NEXT_EVALUATION, Due


def learner(step: int = 0, evaluation_freq: int | None = 40) -> SimpleNamespace:
    settings = SimpleNamespace(
        summary_freq=10, checkpoint_interval=25, evaluation_freq=evaluation_freq, max_steps=100
    )
    return SimpleNamespace(step=step, training=True, settings=settings)


def test_each_is_due_at_its_multiples_and_the_end_is_too():
    one = learner()
    due, found = Due(one, {}), {"summary": [], "evaluation": [], "checkpoint": []}
    for step in range(1, 101):
        assert due.steps_left > 0
        one.step = step
        for name, note in (
            ("summary", due.summarised),
            ("evaluation", due.evaluated),
            ("checkpoint", due.saved),
        ):
            if getattr(due, name):
                found[name].append(step)
                note()
    assert found == {
        "summary": [*range(10, 101, 10)],
        "evaluation": [40, 80],
        "checkpoint": [25, 50, 75, 100],
    }
    assert due.steps_left == 0


@pytest.mark.parametrize(("interval", "expected"), [(40, 30), (None, math.inf)])
def test_an_evaluation_that_was_due_is_made_up_for_if_there_still_are_any(interval, expected):
    assert Due(learner(35, interval), {NEXT_EVALUATION: 30}).next_evaluation == expected
