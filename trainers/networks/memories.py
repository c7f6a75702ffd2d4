"""What the agents of a policy with memory remember from one decision to the next."""

from collections.abc import Hashable, Iterable, Sequence

import numpy as np


class Memories:
    """A row of numbers for each agent that has decided since it last forgot; others remember zeros.

    Args:
        size: numbers in a row; 0 for a policy without memory.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._rows: dict[Hashable, np.ndarray] = {}

    def of(self, agents: Sequence[Hashable]) -> np.ndarray:
        """Return the rows of n agents. Shape: (n, size)."""
        nothing = np.zeros(self.size, np.float32)
        return np.array([self._rows.get(agent, nothing) for agent in agents], np.float32).reshape(
            -1, self.size
        )

    def keep(self, agents: Sequence[Hashable], rows: np.ndarray) -> None:
        """Keep the rows of n agents, (n, size)."""
        self._rows.update(zip(agents, rows, strict=True))

    def forget(self, agents: Iterable[Hashable] | str | int | None = None) -> None:
        """Forget the rows of some agents, or of all. A text or a number is the name of one agent."""
        if isinstance(agents, str | int | np.integer):
            agents = [agents]
        for agent in list(self._rows) if agents is None else agents:
            self._rows.pop(agent, None)
