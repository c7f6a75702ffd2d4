"""Storage of vectors and entities in a replay buffer."""

import numpy as np

from trainers.experience.rows import widened


class ArrayStore:
    """One observation of all rows of a replay buffer, in one array. Images have a `FrameStore` instead.

    Args:
        shape: shape of the observation.
        dtype: float32 or float64.
        capacity: rows of the buffer.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, capacity: int) -> None:
        self._values = np.empty((capacity, *shape), dtype)

    @property
    def bytes_held(self) -> int:
        """Memory of all rows, in bytes."""
        return self._values.nbytes

    def write(self, places: np.ndarray, values: np.ndarray, before: np.ndarray) -> None:
        """See `FrameStore.write`; the rows before do not matter."""
        self._values = widened(self._values, values)
        self._values[places] = values

    def read(self, places: np.ndarray) -> np.ndarray:
        """See `FrameStore.read`."""
        return self._values[places]

    def free(self, oldest: int) -> None:
        """See `FrameStore.free`; every place is kept."""

    def state(self, places: np.ndarray) -> dict[str, np.ndarray]:
        """See `FrameStore.state`."""
        return {"values": self._values[places]}

    def restore(self, places: np.ndarray, state: dict[str, np.ndarray]) -> None:
        """See `FrameStore.restore`."""
        self._values[places] = state["values"]
