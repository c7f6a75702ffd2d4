"""Rows on their way to a replay buffer that must not change yet, because a thread learns from it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trainers.experience.replay import Replay
from trainers.experience.store import Groupmates, StepResult
from trainers.networks.policy_network import ActionSample


class Staging:
    """A store that writes down what happens, and tells it to a replay buffer later, in the same order.

    Args:
        replay: the buffer.

    Attributes:
        settled_rows: rows whose reward has arrived since then.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay, self._total = replay, replay.total
        self._told: list[tuple[str, tuple[Any, ...]]] = []
        self.settled_rows = 0

    def append(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None = None,
        previous: np.ndarray | None = None,
        memory: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `Store.append`. The rows have the numbers that the buffer will give them."""
        own = [np.array(values) for values in observations]  # environments may use their arrays again
        self._told.append(("append", (own, forbidden, previous, memory)))
        rows = np.arange(self._total, self._total + len(own[0]))
        self._total += len(rows)
        return rows

    def note_groupmates(self, groupmates: Groupmates) -> None:
        """See `Store.note_groupmates`."""
        self._told.append(("note_groupmates", (groupmates,)))

    def decide(self, rows: np.ndarray, sample: ActionSample) -> None:
        """See `Store.decide`."""
        own = replace(sample, continuous=sample.continuous.copy(), discrete=sample.discrete.copy())
        self._told.append(("decide", (rows, own)))  # environments may change the actions that they are given

    def settle(self, result: StepResult) -> None:
        """See `Store.settle`."""
        self._told.append(("settle", (result,)))
        self.settled_rows += len(result.rows)

    def enter(self) -> None:
        """Tell the buffer what happened.

        Raises:
            UserError: there are more agents than rows.
        """
        told, self._told = self._told, []
        for method, arguments in told:
            getattr(self._replay, method)(*arguments)
