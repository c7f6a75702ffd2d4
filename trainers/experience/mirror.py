"""A copy of a replay buffer's observations on the GPU that learns, where minibatches are put together."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

PART = 0.25
"""The copy takes at most this part of the GPU's free memory. Otherwise minibatches are uploaded."""


class Mirror:
    """The vector observations of a replay buffer, on another device.

    The upload of a minibatch takes longer than its gradient step on a fast GPU. With a mirror, only the places of its
    rows are uploaded.

    Args:
        device: where the copy is.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._columns: dict[int, Tensor] = {}

    def follow(self, index: int, column: np.ndarray, places: np.ndarray) -> None:
        """Copy what a column, (capacity, *shape), holds at places, and follow it from now on, if there is room for it.

        Args:
            index: number of the observation.
            column: what the buffer holds of it.
            places: (n,) where something was written.
        """
        self._columns.pop(index, None)
        if self.device.type == "cuda" and column.nbytes > PART * torch.cuda.mem_get_info(self.device)[0]:
            return
        dtype = torch.from_numpy(column[:0]).dtype
        self._columns[index] = torch.empty(column.shape, dtype=dtype, device=self.device)
        self.write(index, places, column[places])

    def write(self, index: int, places: np.ndarray, values: np.ndarray) -> None:
        """Write values, (n, *shape), at places, (n,), of a column, as they were written to the buffer's own."""
        if index in self._columns:
            column = self._columns[index]
            column[self._upload(places)] = self._upload(values).to(column.dtype)

    def read(self, numbers: Sequence[int], places: np.ndarray) -> dict[int, Tensor]:
        """Return the observations of those numbers that are here at places, (n, *shape) each."""
        found = [index for index in numbers if index in self._columns]
        rows = self._upload(places) if found else None
        return {index: self._columns[index][rows] for index in found}

    def _upload(self, array: np.ndarray) -> Tensor:
        """Return an array on the device, without waiting for what the device computes."""
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)
