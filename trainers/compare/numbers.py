"""What is computed from the curves. Pure functions; every figure of the table and of the page comes from here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

LAST = 0.1
"""`final` figures are means over the summaries of this last part of a run's steps."""

SHARES = (0.5, 0.75, 0.9)
"""The parts of the way from the first to the best reward whose steps and time are told."""


class CurveLike(Protocol):
    """Steps, seconds and values of one tag. Shape of each: (summaries,)."""

    @property
    def steps(self) -> np.ndarray: ...  # noqa: D102
    @property
    def seconds(self) -> np.ndarray: ...  # noqa: D102
    @property
    def values(self) -> np.ndarray: ...  # noqa: D102


@dataclass(frozen=True)
class Spread:
    """One figure over several seeds; a level that was never reached counts as infinity.

    Attributes:
        values: of each seed that has one.
    """

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one, or between two the mean; NaN of none."""
        ordered = sorted(self.values)
        if not ordered:
            return math.nan
        low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        return low if low == high else (low + high) / 2

    @property
    def low(self) -> float:
        """The least; NaN of none."""
        return min(self.values, default=math.nan)

    @property
    def high(self) -> float:
        """The greatest; NaN of none."""
        return max(self.values, default=math.nan)

    @property
    def finite(self) -> int:
        """How many seeds have a finite figure."""
        return sum(map(math.isfinite, self.values))

    def overlaps(self, other: "Spread") -> bool:
        """Whether the ranges of both have anything in common."""
        return self.low <= other.high and other.low <= self.high


def final(curve: CurveLike) -> float:
    """Mean over the summaries of the last tenth of the steps: those after 0.9 × the last step."""
    return float(np.mean(curve.values[curve.steps > (1 - LAST) * curve.steps[-1]]))


def best(curve: CurveLike) -> float:
    """The highest summary."""
    return float(np.max(curve.values))


def fall(curve: CurveLike) -> float:
    """How far `final` lies below `best`: 0 for a run that ends at its best."""
    return best(curve) - final(curve)


def speed(curve: CurveLike) -> float:
    """Agent steps per second up to the last summary, updates included."""
    return float(curve.steps[-1] / curve.seconds[-1]) if curve.seconds[-1] > 0 else math.nan


def reach_levels(rewards: Sequence[CurveLike]) -> dict[float, float]:
    """The reward at each of `SHARES` of the way from the first summary (median over runs) to the best of all runs.

    Shares of the way, not of the best itself, because rewards may be negative.
    """
    start = float(np.median([curve.values[0] for curve in rewards]))
    top = max(best(curve) for curve in rewards)
    return {share: start + share * (top - start) for share in SHARES}


def first_reaching(curve: CurveLike, level: float) -> tuple[float, float]:
    """Agent steps and seconds of the first summary at or above a level; infinity if there is none."""
    reached = np.flatnonzero(curve.values >= level)
    if not len(reached):
        return math.inf, math.inf
    return float(curve.steps[reached[0]]), float(curve.seconds[reached[0]])


@dataclass(frozen=True)
class Band:
    """Several seeds as one curve. Shape of each array: (points,)."""

    x: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray


def band(curves: Sequence[CurveLike], axis: str) -> Band:
    """Median and range of several curves over `steps` or `seconds`.

    Between two summaries a curve is a straight line. Over steps, the points are those of all curves, where all have
    values. Over seconds no two summaries fall together: as many equal distances as the longest curve has summaries, to
    the end of the slowest run, and a run that has ended counts with its last value.
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
    """How a run's time divides into `env`, `policy`, `update` and `other`, from either trainer's `timers.json`.

    `mlagents-learn` times the evaluation of the policy inside `env_step`; it is taken out of there. Its `update` is
    `trainer_advance`: trajectories taken in, advantages, gradient steps.

    Raises:
        KeyError: the file has another layout.
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
    """Seconds of the timers of a name, wherever they are."""
    found = 0.0
    for child_name, child in timer.get("children", {}).items():
        found += float(child["total"]) if child_name == name else _total(child, name)
    return found
