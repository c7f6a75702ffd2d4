"""What is in ML-Agents' `run_logs/timers.json`: a tree of wall-clock timers, and gauges of TensorBoard tags."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Timer:
    """Seconds spent in one block of code, and in the blocks inside it."""

    total: float = 0.0
    count: int = 0
    children: dict[str, "Timer"] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """This timer in the layout of ML-Agents' file; `self` is the time outside all children."""
        inside = sum(child.total for child in self.children.values())
        result: dict[str, Any] = {
            "total": self.total,
            "count": self.count,
            "self": max(self.total - inside, 0.0),
        }
        if self.children:
            result["children"] = {name: child.as_dict() for name, child in self.children.items()}
        return result


class Block:
    """A block of code that is timed: `with timers("update"):`. Every step has several, which is why it is no generator.

    Args:
        name: the block's name.
        stack: the timers of the blocks that are being timed now, the innermost last.
        clock: tells the seconds since some moment.
    """

    __slots__ = ("_clock", "_name", "_stack", "_start")

    def __init__(self, name: str, stack: list[Timer], clock: Callable[[], float]) -> None:
        self._name, self._stack, self._clock = name, stack, clock

    def __enter__(self) -> None:
        """Begin the block."""
        children = self._stack[-1].children
        if self._name not in children:
            children[self._name] = Timer()
        self._stack.append(children[self._name])
        self._start = self._clock()

    def __exit__(self, *raised: object) -> None:
        """End the block, whatever it raised."""
        timer = self._stack.pop()
        timer.total += self._clock() - self._start
        timer.count += 1


class TimerTree:
    """Timers of nested blocks of code; a block is timed by `with timers("update"):`.

    Args:
        clock: tells the seconds since some moment.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.root = Timer(count=1)
        self._stack = [self.root]
        self._clock = clock
        self._start = clock()

    def __call__(self, name: str) -> Block:
        """Return a block, which is timed as a child of the block that is being timed when it begins."""
        return Block(name, self._stack, self._clock)

    def inside(self, name: str) -> bool:
        """Whether the block being timed now is called `name`."""
        return len(self._stack) > 1 and self._stack[-2].children.get(name) is self._stack[-1]

    @property
    def elapsed(self) -> float:
        """Seconds since the tree was made."""
        return self._clock() - self._start

    def shares(self) -> dict[str, float]:
        """Share of the run spent in each top-level block, between 0 and 1."""
        elapsed = max(self.elapsed, 1e-9)
        children = list(self.root.children.items())  # a copy, because another thread may show them
        return {name: timer.total / elapsed for name, timer in children}

    def percentages(self) -> dict[str, int]:
        """Return the shares in whole per cent. With `other`, the time outside all blocks, they sum to 100."""
        shares = self.shares()
        shares["other"] = max(1.0 - sum(shares.values()), 0.0)
        exact = {name: 100 * share / sum(shares.values()) for name, share in shares.items()}
        rounded = {name: int(share) for name, share in exact.items()}
        by_rest = sorted(exact, key=lambda name: rounded[name] - exact[name])
        for name in by_rest[: 100 - sum(rounded.values())]:
            rounded[name] += 1
        return {name: share for name, share in rounded.items() if share}

    def as_dict(self) -> dict[str, Any]:
        """The whole tree, in the layout of ML-Agents' file."""
        self.root.total = self.elapsed
        return {"name": "root", **self.root.as_dict()}


def add_gauges(gauges: dict[str, dict[str, float]], behavior: str, values: Mapping[str, float]) -> None:
    """Add the values of a summary to gauges, under ML-Agents' names.

    Args:
        gauges: newest value and range by name; changed in place.
        behavior: the behavior's name.
        values: one number for each TensorBoard tag.
    """
    for tag, value in values.items():
        name = f"{behavior}.{tag.replace('/', '.').replace(' ', '')}.mean"
        known = gauges.get(name, {"min": value, "max": value, "count": 0})
        gauges[name] = {
            "value": value,
            "min": min(known["min"], value),
            "max": max(known["max"], value),
            "count": known["count"] + 1,
        }
