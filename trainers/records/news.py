"""What happened to a behavior on one rank since the ranks last met, to be added up on all of them."""

from typing import Any

import numpy as np


class News:
    """Collects what a rank has to tell the others about a behavior.

    Attributes:
        decisions: decisions rewarded.
    """

    def __init__(self) -> None:
        self.decisions = 0
        self._events: dict[str, list[Any]] = {}

    def add(self, kind: str, *columns: np.ndarray) -> None:
        """Add events of a kind, from columns of shape (n,)."""
        if len(columns[0]):
            self._events.setdefault(kind, []).extend(np.stack(columns, axis=1).tolist())

    def take(self) -> tuple[int, dict[str, list[Any]]]:
        """Return the decisions and the events since the last call, the events by kind, one row each. Forget them."""
        decisions, events = self.decisions, self._events
        self.decisions, self._events = 0, {}
        return decisions, events
