"""The interface to processes that train one policy together, and its implementation for a single process."""

from typing import Protocol

from torch import Tensor


class Collective(Protocol):
    """The processes that train one policy together.

    Attributes:
        size: number of processes.
    """

    size: int

    def mean(self, values: Tensor) -> Tensor:
        """Return the elementwise mean over all processes. `values` may be changed in place."""

    def any(self, flag: bool) -> bool:
        """Return whether `flag` is true in any process."""


class Alone:
    """A single process."""

    size = 1

    def mean(self, values: Tensor) -> Tensor:
        """See `Collective.mean`."""
        return values

    def any(self, flag: bool) -> bool:
        """See `Collective.any`."""
        return flag
