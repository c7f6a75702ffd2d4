"""One thread instead of several while other programs need the cores."""

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
"""One thread is kept if a gradient then takes less than this part of its time with several."""
RETRY = 10.0
"""Seconds after which another number of threads is tried again."""


class Crowding:
    """Computes gradients with torch's threads, or with one while the others have no cores of their own.

    Threads that share an operation wait for the slowest of them. If another program holds the core of one, the others
    wait until the system gives it back, in each of some hundred operations of an update. Two threads then take up to
    three times as long as one.

    Such waiting shows in the processor time of the calling thread. One thread is then tried for `PERIOD` seconds, kept
    if it is faster, and the former number is tried again every `RETRY` seconds.
    """

    def __init__(self) -> None:
        self._several = 0
        self._seconds = 0.0
        self._is_trial = False
        self._until = 0.0
        self._start()

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of a scalar, and choose torch's threads for what this thread computes next."""
        count, start, computing = torch.get_num_threads(), time.perf_counter(), time.thread_time()
        loss.backward()
        self._steps += 1
        self._wall += time.perf_counter() - start
        self._computing += time.thread_time() - computing
        if self._wall < PERIOD:
            return
        seconds, awake = self._wall / self._steps, self._computing / self._wall
        self._start()
        now = time.monotonic()
        if count > 1:
            if awake < AWAKE and now >= self._until:
                self._several, self._seconds, self._is_trial = count, seconds, True
                torch.set_num_threads(1)
        elif self._is_trial:
            self._is_trial, self._until = False, now + RETRY
            if seconds > WORTH_IT * self._seconds:
                torch.set_num_threads(self._several)
            else:
                logger.debug(
                    "other programs keep the cores busy: one thread for %g s (%.1f ms for a gradient; %.1f with %d)",
                    RETRY,
                    1e3 * seconds,
                    1e3 * self._seconds,
                    self._several,
                )
        elif self._several and now >= self._until:
            torch.set_num_threads(self._several)

    def _start(self) -> None:
        self._steps, self._wall, self._computing = 0, 0.0, 0.0
