"""The figures of a comparison, against values computed by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.compare import numbers
from trainers.compare.numbers import Curve, Spread
from trainers.compare.report import show


def curve(values: list[float], every: int = 10, seconds: float = 2.0) -> Curve:
    count = np.arange(1, len(values) + 1)
    return Curve(count * every, count * seconds, np.asarray(values, float))


def test_final_is_the_mean_of_the_last_tenth_of_the_steps() -> None:
    twenty = curve([0.0] * 18 + [30.0, 50.0])  # steps 10 … 200; those after 180 are 190 and 200
    assert numbers.final(twenty) == 40.0
    assert numbers.final(curve([1.0, 2.0, 7.0])) == 7.0


def test_best_and_fall() -> None:
    ups_and_downs = curve([1.0, 9.0, 4.0])
    assert numbers.best(ups_and_downs) == 9.0
    assert numbers.fall(ups_and_downs) == 5.0
    assert numbers.fall(curve([1.0, 2.0, 3.0])) == 0.0


def test_speed_is_steps_over_seconds_to_the_last_summary() -> None:
    assert numbers.speed(curve([0.0, 0.0], every=500, seconds=4.0)) == 125.0


def test_levels_lie_between_the_median_first_and_the_best_summary() -> None:
    curves = [curve([-100.0, 0.0]), curve([-80.0, 20.0]), curve([-90.0, -50.0])]
    assert numbers.reach_levels(curves) == {0.5: -35.0, 0.75: -7.5, 0.9: 9.0}


def test_the_first_summary_at_a_level_counts() -> None:
    there = curve([0.0, 5.0, 3.0, 8.0])
    assert numbers.first_reaching(there, 5.0) == (20.0, 4.0)
    assert numbers.first_reaching(there, 5.1) == (40.0, 8.0)
    assert numbers.first_reaching(there, 9.0) == (math.inf, math.inf)


def test_a_band_over_steps_is_median_and_range_of_the_seeds() -> None:
    band = numbers.band([curve([1.0, 2.0]), curve([5.0, 4.0]), curve([3.0, 9.0])], "steps")
    assert band.x.tolist() == [10, 20]
    assert (band.low.tolist(), band.median.tolist(), band.high.tolist()) == ([1, 2], [3, 4], [5, 9])


def test_a_band_over_steps_reaches_where_all_seeds_are() -> None:
    band = numbers.band([curve([0.0, 10.0, 20.0]), curve([0.0, 4.0], every=15)], "steps")
    assert band.x.tolist() == [15, 20, 30]
    assert band.low.tolist() == pytest.approx([0, 4 / 3, 4])
    assert band.high.tolist() == pytest.approx([5, 10, 20])


def test_a_run_that_has_ended_counts_with_its_last_value_over_seconds() -> None:
    fast, slow = curve([1.0, 3.0], seconds=1.0), curve([1.0, 5.0], seconds=2.0)
    band = numbers.band([fast, slow], "seconds")
    assert band.x.tolist() == [2.0, 4.0]
    assert band.low.tolist() == [1.0, 3.0]
    assert band.high.tolist() == [3.0, 5.0]


def test_one_seed_is_its_own_band() -> None:
    alone = curve([1.0, 7.0, 2.0])
    for axis in ("steps", "seconds"):
        band = numbers.band([alone], axis)
        assert band.x.tolist() == getattr(alone, axis).tolist()
        assert band.low.tolist() == band.median.tolist() == band.high.tolist() == [1.0, 7.0, 2.0]


def test_time_shares_of_our_timers() -> None:
    children = {
        "env": {"total": 5.0},
        "policy": {"total": 2.0},
        "update": {"total": 1.0},
        "x": {"total": 0.5},
    }
    shares = numbers.time_shares({"total": 10.0, "children": children})
    assert shares == pytest.approx({"env": 0.5, "policy": 0.2, "update": 0.1, "other": 0.2})


def test_time_shares_of_mlagents_timers_take_the_policy_out_of_env_step() -> None:
    evaluate = {"TorchPolicy.evaluate": {"total": 2.0}}
    advance = {
        "env_step": {
            "total": 6.0,
            "children": {"SubprocessEnvManager._take_step": {"total": 2.5, "children": evaluate}},
        },
        "trainer_advance": {"total": 3.0},
    }
    learning = {"total": 9.5, "children": {"TrainerController.advance": {"total": 9.0, "children": advance}}}
    shares = numbers.time_shares({"total": 10.0, "children": {"TrainerController.start_learning": learning}})
    assert shares == pytest.approx({"env": 0.4, "policy": 0.2, "update": 0.3, "other": 0.1})


def test_a_level_that_most_seeds_miss_is_not_reached() -> None:
    assert show(Spread((10.0, math.inf, math.inf))) == "not reached (1 of 3)"
    assert show(Spread((10.0, 20.0, math.inf))) == "20 (2 of 3)"
    assert show(Spread((math.inf,))) == "not reached"
    assert show(Spread(())) == "–"


def test_figures_are_written_with_as_many_digits_as_they_deserve() -> None:
    assert show(Spread((1234.56,))) == "1,235"
    assert show(Spread((123.45, 1.2345))) == "62.3 (1.23 … 123.5)"
    assert show(Spread((0.256,)), "share") == "26%"
    assert show(Spread((75.4,)), "seconds") == "75 s"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_a_median_lies_in_its_range(values: list[float]) -> None:
    spread = Spread(tuple(values))
    assert spread.low <= spread.median <= spread.high
    assert spread.median == pytest.approx(float(np.median(values)))
