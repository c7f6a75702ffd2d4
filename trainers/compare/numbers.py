"""The figures of the table and of the page, as pure functions of the curves."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LAST = 0.1
"""The last part of a run's steps, over which `final` averages."""

SHARES = (0.5, 0.75, 0.9)
"""Fractions of the difference between the first and the best reward. The table shows when a run reaches them."""


@dataclass(frozen=True)
class Curve:
    """The values of one tag over a run. Shape of each array: (summaries,).

    Attributes:
        steps: Agent steps.
        seconds: Seconds since the behavior's first observation, without the time between sessions.
        values: The value of each summary.
    """

    steps: np.ndarray
    seconds: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Spread:
    """One figure of several seeds. Infinity stands for a level that a seed did not reach.

    Attributes:
        values: The figure of each seed that has it.
    """

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the values; NaN without values."""
        return statistics.median(self.values) if self.values else math.nan

    @property
    def low(self) -> float:
        """The smallest value; NaN without values."""
        return min(self.values, default=math.nan)

    @property
    def high(self) -> float:
        """The largest value; NaN without values."""
        return max(self.values, default=math.nan)

    @property
    def finite(self) -> int:
        """The number of finite values."""
        return sum(map(math.isfinite, self.values))

    def overlaps(self, other: "Spread") -> bool:
        """Whether the ranges of both spreads overlap."""
        return self.low <= other.high and other.low <= self.high


def final(curve: Curve) -> float:
    """Return the mean of the summaries after 0.9 × the last step, the last one included."""
    late = curve.steps > (1 - LAST) * curve.steps[-1]
    late[-1] = True  # if its step is 0
    return float(np.mean(curve.values[late]))


def best(curve: Curve) -> float:
    """Return the largest summary."""
    return float(np.max(curve.values))


def fall(curve: Curve) -> float:
    """Return `best` - `final`: 0 for a run that ends at its best."""
    return best(curve) - final(curve)


def speed(curve: Curve) -> float:
    """Return the agent steps per second up to the last summary. Updates are part of that time."""
    return float(curve.steps[-1] / curve.seconds[-1]) if curve.seconds[-1] > 0 else math.nan


def reach_levels(rewards: Sequence[Curve]) -> dict[float, float]:
    """Return the reward at each of `SHARES` between the first summary (median over runs) and the best of all runs.

    A share of the best reward itself would make no sense for negative rewards.
    """
    start = float(np.median([curve.values[0] for curve in rewards]))
    top = max(best(curve) for curve in rewards)
    return {share: start + share * (top - start) for share in SHARES}


def first_reaching(curve: Curve, level: float) -> tuple[float, float]:
    """Return the agent steps and seconds of the first summary at or above a level, or infinity without one."""
    reached = np.flatnonzero(curve.values >= level)
    if not len(reached):
        return math.inf, math.inf
    return float(curve.steps[reached[0]]), float(curve.seconds[reached[0]])


@dataclass(frozen=True)
class Band:
    """The median and the range of several curves. Shape of each array: (points,)."""

    x: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray


def band(curves: Sequence[Curve], axis: str) -> Band:
    """Return the median and the range of several curves over `steps` or `seconds`.

    Curves are interpolated linearly between summaries. Over steps, the points are those of all curves, in the range
    that all curves cover. Over seconds, the points are equally spaced up to the end of the slowest run, as many as the
    longest curve has summaries. A run that has ended keeps its last value.
    """
    places = [getattr(curve, axis).astype(float) for curve in curves]
    start, stop = max(x[0] for x in places), min(x[-1] for x in places)
    if len(curves) == 1:
        grid = places[0]
    elif axis == "steps":
        grid = np.unique(np.concatenate(places))
        grid = grid[(grid >= start) & (grid <= stop)]
    else:
        grid = np.linspace(start, max(x[-1] for x in places), max(map(len, places)))
    values = np.stack([np.interp(grid, x, curve.values) for x, curve in zip(places, curves, strict=True)])
    return Band(grid, values.min(axis=0), np.median(values, axis=0), values.max(axis=0))


def time_shares(timers: Mapping[str, Any]) -> dict[str, float]:
    """Return the shares of a run's time in `env`, `policy`, `update` and `other`, from the `timers.json` of a trainer.

    The `env_step` of `mlagents-learn` includes the evaluation of the policy, which is subtracted here. Its
    `trainer_advance` counts as `update`: it processes trajectories, computes advantages and takes gradient steps.

    Raises:
        KeyError: The file has another structure.
    """
    total = float(timers["total"])
    children = timers["children"]
    if "TrainerController.start_learning" in children:
        policy = _total(timers, "TorchPolicy.evaluate")
        parts = {
            "env": _total(timers, "env_step") - policy,
            "policy": policy,
            "update": _total(timers, "trainer_advance"),
        }
    else:
        parts = {
            name: float(children.get(name, {}).get("total", 0.0)) for name in ("env", "policy", "update")
        }
    shares = {name: seconds / total for name, seconds in parts.items()}
    return {**shares, "other": max(0.0, 1 - sum(shares.values()))}


def _total(timer: Mapping[str, Any], name: str) -> float:
    """Return the total seconds of all timers of a name, at any depth."""
    found = 0.0
    for child_name, child in timer.get("children", {}).items():
        found += float(child["total"]) if child_name == name else _total(child, name)
    return found
