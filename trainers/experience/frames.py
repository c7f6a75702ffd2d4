"""Images held once: a stack of frames shares all but its newest with the stack before it."""

from typing import Any

import numpy as np

CHUNK_BYTES = 1 << 25


class FrameStore:
    """One image observation of every row of a replay buffer, kept as single channels.

    An environment that stacks frames shows channels 1 to C-1 of an agent's image again as channels 0 to C-2 of its next
    one. Where that is so, and only there, the new row keeps one new channel and refers to the old ones; a channel that
    repeats the one before it in the same image (a stack after a reset) is kept once as well.

    Channels are numbered as they come and lie in chunks, which are freed, in order, with the rows that needed them.

    Args:
        shape: (channels, height, width).
        dtype: uint8, or float32.
        capacity: rows of the buffer.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, capacity: int) -> None:
        self.shape, self.dtype, self.capacity = shape, dtype, capacity
        self.chunk_size = max(64, CHUNK_BYTES // (shape[1] * shape[2] * dtype.itemsize))
        self._numbers = np.zeros((capacity, shape[0]), np.int64)
        self._floors = np.zeros(capacity, np.int64)  # no row refers to anything older than its floor
        self._floor = 0
        self._total = 0
        self._chunks: list[np.ndarray] = []
        self._first_chunk = 0

    @property
    def bytes_held(self) -> int:
        """Memory of all channels and of the references to them."""
        return sum(chunk.nbytes for chunk in self._chunks) + self._numbers.nbytes + self._floors.nbytes

    def write(self, places: np.ndarray, images: np.ndarray, before: np.ndarray) -> None:
        """Put images (n, C, H, W) into rows.

        Args:
            places: (n,) where in the buffer, in the order of rows.
            images: what to keep.
            before: (n,) place of each agent's row before, -1 without one.
        """
        # An agent seldom heard of must not hold chunks back: what is older than the floor is written anew.
        reach = max(self.chunk_size, 8 * self.shape[0] * len(images))
        self._floor = max(self._floor, self._total - reach)
        numbers = np.full((len(images), self.shape[0]), -1, np.int64)
        numbers[:, :-1] = np.where((before >= 0)[:, None], self._numbers[before, 1:], -1)
        shared = self._continued(images, numbers)
        numbers[~shared] = -1
        is_new = numbers < 0
        alone = images[~shared]
        is_new[~shared, 1:] = (alone[:, 1:] != alone[:, :-1]).any((2, 3))
        count = int(is_new.sum())
        numbers[is_new] = np.arange(self._total, self._total + count)
        numbers[~shared] = np.maximum.accumulate(numbers[~shared], axis=1)
        self._append(images[is_new])
        self._numbers[places] = numbers
        self._floors[places] = self._floor

    def read(self, places: np.ndarray) -> np.ndarray:
        """Images (n, C, H, W) of rows."""
        return self._channels(self._numbers[places].ravel()).reshape(len(places), *self.shape)

    def free(self, oldest: int) -> None:
        """Free what no row needs; `oldest` is the place of the oldest row."""
        needed = int(self._floors[oldest]) // self.chunk_size
        while self._first_chunk < needed:
            del self._chunks[0]
            self._first_chunk += 1

    def state(self, places: np.ndarray) -> dict[str, Any]:
        """Arrays that `restore` takes; rows in the order of `places`."""
        used = -(-self._total // self.chunk_size) - self._first_chunk
        chunks = {f"chunk{index:05}": chunk for index, chunk in enumerate(self._chunks[:used])}
        counts = np.array([self._floor, self._total, self._first_chunk, self.chunk_size])
        return {"numbers": self._numbers[places], "floors": self._floors[places], "counts": counts, **chunks}

    def restore(self, places: np.ndarray, state: dict[str, np.ndarray]) -> None:
        """Take over what `state` gave."""
        self._numbers[places], self._floors[places] = state["numbers"], state["floors"]
        self._floor, self._total, self._first_chunk, self.chunk_size = map(int, state["counts"])
        self._chunks = [state[name] for name in sorted(state) if name.startswith("chunk")]
        if self._chunks and self._chunks[0].shape != (self.chunk_size, *self.shape[1:]):
            raise ValueError(f"frames of shape {self._chunks[0].shape[1:]}")

    def _continued(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Which images show the channels `numbers` (n, C), their last apart. Shape: (n,)."""
        shared: np.ndarray = np.all(numbers[:, :-1] >= self._floor, axis=1)
        if shared.any() and self.shape[0] > 1:
            old = self._channels(numbers[shared, :-1].ravel())
            same = old.reshape(-1, *images[:, :-1].shape[1:]) == images[shared, :-1]
            shared[shared] = same.all((1, 2, 3))
        return shared

    def _channels(self, numbers: np.ndarray) -> np.ndarray:
        """Channels (n, H, W) by number."""
        chunk, place = np.divmod(numbers, self.chunk_size)
        chunk -= self._first_chunk
        result = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        for index in np.flatnonzero(np.bincount(chunk)):
            wanted = np.flatnonzero(chunk == index)
            result[wanted] = self._chunks[index][place[wanted]]
        return result

    def _append(self, channels: np.ndarray) -> None:
        done = 0
        while done < len(channels):
            chunk, place = divmod(self._total, self.chunk_size)
            if chunk - self._first_chunk == len(self._chunks):
                self._chunks.append(np.empty((self.chunk_size, *self.shape[1:]), self.dtype))
            part = channels[done : done + self.chunk_size - place]
            self._chunks[chunk - self._first_chunk][place : place + len(part)] = part
            self._total += len(part)
            done += len(part)
