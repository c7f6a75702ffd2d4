"""Storage of images that keeps the frames that stacked images share only once."""

from typing import Any

import numpy as np

CHUNK_BYTES = 1 << 25
"""Size of a chunk, 32 MiB."""


class FrameStore:
    """One image observation of all rows of a replay buffer, stored as single channels.

    An environment that stacks frames repeats channels 1 to C-1 of an agent's image as channels 0 to C-2 of its next
    image. In that case the next row stores only its last channel and refers to the others. A channel that equals the
    one before it in the same image, as after a reset, is stored once as well.

    Channels are numbered in the order in which they are stored, and lie in chunks. A chunk is freed when no row refers
    to it or to an older one.

    Args:
        shape: (channels, height, width).
        dtype: uint8 or float32.
        capacity: rows of the buffer.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, capacity: int) -> None:
        self.shape, self.dtype, self.capacity = shape, dtype, capacity
        self.chunk_size = max(64, CHUNK_BYTES // (shape[1] * shape[2] * dtype.itemsize))
        self._numbers = np.zeros((capacity, shape[0]), np.int64)
        self._floors = np.zeros(capacity, np.int64)  # a row refers to no channel below its floor
        self._floor = 0
        self._total = 0
        self._chunks: list[np.ndarray] = []
        self._first_chunk = 0

    @property
    def bytes_held(self) -> int:
        """Memory of all channels and of the references to them, in bytes."""
        return sum(chunk.nbytes for chunk in self._chunks) + self._numbers.nbytes + self._floors.nbytes

    def write(self, places: np.ndarray, images: np.ndarray, before: np.ndarray) -> None:
        """Store images in rows.

        Args:
            places: (n,) places in the buffer, in the order of the rows.
            images: (n, C, H, W).
            before: (n,) place of each agent's previous row; -1 without one.
        """
        # Channels below the floor are stored again, so that an agent that seldom acts does not keep old chunks.
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
        """Return the images of rows, (n, C, H, W), given their places, (n,)."""
        return self._channels(self._numbers[places].ravel()).reshape(len(places), *self.shape)

    def free(self, oldest: int) -> None:
        """Free the chunks that no row refers to; `oldest` is the place of the oldest row."""
        needed = int(self._floors[oldest]) // self.chunk_size
        while self._first_chunk < needed:
            del self._chunks[0]
            self._first_chunk += 1

    def state(self, places: np.ndarray) -> dict[str, Any]:
        """Return arrays for `restore`, with rows in the order of `places`."""
        used = -(-self._total // self.chunk_size) - self._first_chunk
        chunks = {f"chunk{index:05}": chunk for index, chunk in enumerate(self._chunks[:used])}
        counts = np.array([self._floor, self._total, self._first_chunk, self.chunk_size])
        return {"numbers": self._numbers[places], "floors": self._floors[places], "counts": counts, **chunks}

    def restore(self, places: np.ndarray, state: dict[str, np.ndarray]) -> None:
        """Restore what `state` returned.

        Raises:
            ValueError: the frames have another shape or type, or a row refers to a channel that is not there.
        """
        numbers, floors, counts = (state[name] for name in ("numbers", "floors", "counts"))
        chunks = [state[name] for name in sorted(state) if name.startswith("chunk")]
        if {part.dtype for part in (numbers, floors, counts)} != {np.dtype(np.int64)} or counts.shape != (4,):
            raise ValueError("channels that are not numbered")
        floor, total, first_chunk, size = map(int, counts)
        if not (0 <= floor <= total and first_chunk >= 0 and size > 0):
            raise ValueError(f"channels counted as {counts.tolist()}")
        if self.dtype not in (np.uint8, np.float32):
            raise ValueError(f"frames of {self.dtype}")
        if any((chunk.shape, chunk.dtype) != ((size, *self.shape[1:]), self.dtype) for chunk in chunks):
            raise ValueError(f"frames of shape {chunks[0].shape[1:]}")
        if len(chunks) != -(-total // size) - first_chunk:
            raise ValueError(f"{len(chunks)} chunks of channels")
        if (numbers < first_chunk * size).any() or (numbers >= total).any():
            raise ValueError("a row refers to a channel that is not there")
        if (floors < 0).any() or (floors > numbers.min(1)).any() or (np.diff(floors) < 0).any():
            raise ValueError("a row refers to a channel below its floor")
        for index, chunk in enumerate(chunks, first_chunk):
            if self.dtype != np.uint8 and not np.isfinite(chunk[: total - index * size]).all():
                raise ValueError("a channel has numbers that are not finite")
        self._numbers[places], self._floors[places] = numbers, floors
        self._floor, self._total, self._first_chunk, self.chunk_size = floor, total, first_chunk, size
        self._chunks = chunks

    def _continued(self, images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return which images repeat the channels `numbers`, (n, C), except in their last channel; (n,) bool."""
        shared: np.ndarray = np.all(numbers[:, :-1] >= self._floor, axis=1)
        if shared.any() and self.shape[0] > 1:
            old = self._channels(numbers[shared, :-1].ravel())
            same = old.reshape(-1, *images[:, :-1].shape[1:]) == images[shared, :-1]
            shared[shared] = same.all((1, 2, 3))
        return shared

    def _channels(self, numbers: np.ndarray) -> np.ndarray:
        """Return channels by number, (n, H, W)."""
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
