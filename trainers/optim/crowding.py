"""Fewer threads while other programs need the cores."""

import logging
import time

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

PERIOD = 0.2
"""Seconds of gradients over which times are compared."""
AWAKE = 0.75
"""Part of the time in which the calling thread computes or waits awake. With less, it lost its core to others."""
WORTH_IT = 0.8
"""Fewer threads are kept if a gradient then takes less than this part of its time before."""
RETRY = 10.0
"""Seconds after which another number of threads is tried again."""


class Crowding:
    """Computes gradients with all of torch's threads, or with fewer while the others have no cores of their own.

    Threads that share an operation wait for the slowest of them. If another program holds the core of one, the others
    wait until the system gives it back, in each of some hundred operations of an update. Two threads then take up to
    three times as long as one.

    Such waiting shows in the processor time of the calling thread. Half of the threads are then tried for `PERIOD`
    seconds and kept if they are faster. All of them are tried again after `RETRY` seconds.
    """

    def __init__(self) -> None:
        self._most = 0
        self._before: tuple[int, float] | None = None
        self._trial_after = self._return_after = 0.0
        self._start()

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of a scalar, and choose torch's threads for what this thread computes next."""
        count, start, computing = torch.get_num_threads(), time.perf_counter(), time.thread_time()
        loss.backward()
        self._steps += 1
        self._wall += time.perf_counter() - start
        self._computing += time.thread_time() - computing
        if self._wall >= PERIOD:
            seconds, awake = self._wall / self._steps, self._computing / self._wall
            self._start()
            following = self._choose(count, seconds, awake, time.monotonic())
            if following != count:
                torch.set_num_threads(following)

    def _choose(self, count: int, seconds: float, awake: float, now: float) -> int:
        """Return the threads of the next period.

        Args:
            count: the threads of the last one.
            seconds: mean time of its gradients.
            awake: part of it in which the calling thread computed.
            now: time of a clock in seconds.
        """
        if self._before is not None:
            (former, then), self._before = self._before, None
            if seconds > WORTH_IT * then:
                self._trial_after = now + RETRY
                return former
            self._return_after = now + RETRY
            logger.debug(
                "other programs keep the cores busy: a gradient takes %.1f ms with %d threads and %.1f ms with %d",
                *(1e3 * then, former, 1e3 * seconds, count),
            )
        if count > 1 and awake < AWAKE and now >= self._trial_after:
            self._most, self._before = max(self._most, count), (count, seconds)
            return count // 2
        return self._most if count < self._most and now >= self._return_after else count

    def _start(self) -> None:
        self._steps, self._wall, self._computing = 0, 0.0, 0.0
