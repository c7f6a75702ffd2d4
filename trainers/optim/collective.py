"""What the processes that learn together agree on; a process that learns alone agrees with itself."""

from typing import Protocol

from torch import Tensor


class Collective(Protocol):
    """Processes that learn one policy together.

    Attributes:
        rank: number of this process, from 0.
        size: how many there are.
    """

    rank: int
    size: int

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes, elementwise, in place where that is possible."""

    def any(self, flag: bool) -> bool:
        """Whether it is so in any process."""

    def minimum(self, number: int) -> int:
        """The least number of any process."""


class Alone:
    """One process."""

    rank, size = 0, 1

    def mean(self, values: Tensor) -> Tensor:
        """See `Collective.mean`."""
        return values

    def any(self, flag: bool) -> bool:
        """See `Collective.any`."""
        return flag

    def minimum(self, number: int) -> int:
        """See `Collective.minimum`."""
        return number
