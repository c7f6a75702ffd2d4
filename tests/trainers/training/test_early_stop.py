"""`stop_at_reward` and `patience` end the training of a behavior that has learned enough."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_tools import options, read_progress, train_small

from trainers import UserError
from trainers.config import load_settings
from trainers.records.run_status import ended_early, read_status
from trainers.training.early_stop import EARLY_STOP, EarlyStop

ENOUGH = 4.0
"""Every episode of `Stopwatch` returns this."""


def learner(**keys: object) -> SimpleNamespace:
    """What an early stop looks at."""
    settings = SimpleNamespace(**{"stop_at_reward": None, "patience": None, "evaluation_freq": None, **keys})
    metrics = SimpleNamespace(is_full=False, standing={})
    return SimpleNamespace(settings=settings, metrics=metrics, merit=math.nan, training=True, opponents=None)


def judged(stop: EarlyStop, behavior: SimpleNamespace, merit: float, last: bool = True) -> bool:
    behavior.metrics.is_full, behavior.merit = True, merit
    stop.judge(last)
    return bool(stop.reason)


merits = st.lists(st.floats(-10, 10), min_size=1, max_size=30)


@given(merits, st.floats(-10, 10))
def test_the_first_summary_that_reaches_the_goal_ends_training(returns, goal):
    behavior = learner(stop_at_reward=goal)
    stop = EarlyStop(behavior, {})
    ended = [judged(stop, behavior, merit) for merit in returns]
    reached = [merit >= goal for merit in returns]
    assert (ended.index(True) if any(ended) else None) == (reached.index(True) if any(reached) else None)


@given(merits, st.integers(1, 5), st.integers(0, 30))
def test_patience_counts_the_summaries_since_the_best_also_through_a_resume(returns, patience, cut):
    behavior = learner(patience=patience)
    stop = EarlyStop(behavior, {})
    since, best = 0, -math.inf
    for index, merit in enumerate(returns):
        if index == cut:
            stop = EarlyStop(behavior, stop.status[EARLY_STOP])
        since, best = (0, merit) if merit > best else (since + 1, best)
        assert judged(stop, behavior, merit) == (since >= patience)
        if since >= patience:
            return


def test_nothing_is_judged_before_100_episodes():
    behavior = learner(stop_at_reward=0.0, patience=1)
    stop = EarlyStop(behavior, {})
    behavior.merit = 1.0
    stop.judge(True)
    assert not stop.reason


def test_lessons_begin_a_new_count_and_the_goal_holds_in_the_last():
    behavior = learner(stop_at_reward=5.0, patience=2)
    stop = EarlyStop(behavior, {})
    behavior.metrics.standing = {"Environment/Lesson Number/size": 0.0}
    assert not judged(stop, behavior, 9.0, last=False)
    assert not judged(stop, behavior, 8.0, last=False)
    behavior.metrics.standing = {"Environment/Lesson Number/size": 1.0}
    behavior.metrics.is_full = False
    stop.judge(True)
    assert not stop.reason, "there are no 100 episodes of this lesson yet"
    assert not judged(stop, behavior, 2.0)
    assert not judged(stop, behavior, 1.0)
    assert judged(stop, behavior, 1.0)
    assert "patience" in stop.reason


def test_a_run_that_lacked_patience_goes_on_if_it_is_resumed():
    behavior = learner(patience=2)
    stop = EarlyStop(behavior, {})
    assert [judged(stop, behavior, 1.0) for _ in range(3)] == [False, False, True]
    again = EarlyStop(behavior, stop.status[EARLY_STOP])
    assert [judged(again, behavior, merit) for merit in (1.0, 2.0, 1.0)] == [False, False, False]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"stop_at_reward": ENOUGH}, "is 4.00, so stop_at_reward (4) is reached; training ends"),
        ({"patience": 1}, "has not risen above 4.00 in 1 summary (patience); training ends"),
        ({"patience": 2}, "has not risen above 4.00 in 2 summaries (patience); training ends"),
    ],
)
def test_a_run_ends_early_is_saved_and_counts_as_finished(tmp_path, capsys, keys, told):
    outcome = train_small(tmp_path, behavior={"max_steps": 100_000, **keys})
    assert outcome.finished
    assert outcome.steps < 3000
    assert told in capsys.readouterr().out
    status = read_status(tmp_path / "first" / "run_logs" / "training_status.json")["Task"]
    assert status["early_stop"]["best"] == 4
    assert ended_early(status)
    assert int(read_progress(tmp_path / "first")[-1]["step"]) == outcome.steps


def test_without_the_keys_nothing_about_it_is_written(tmp_path):
    train_small(tmp_path)
    status = read_status(tmp_path / "first" / "run_logs" / "training_status.json")
    assert "early_stop" not in status["Task"]


@pytest.mark.parametrize("keys", [{"patience": 0}, {"stop_at_reward": "much"}])
def test_values_that_mean_nothing_are_refused(tmp_path, keys):
    with pytest.raises(UserError, match=next(iter(keys))):
        load_settings(options(tmp_path, behavior=keys))
