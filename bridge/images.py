"""Encodes image observations as PNGs and decodes them: one or more PNGs of three channels each, one after another."""

import io
import struct
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS_PER_PNG = 3
SIZE_AT, HEADER_BYTES = 16, 33
"""Where width and height stand in a PNG, and the bytes of its signature and its first chunk, which holds them."""


def encode_png(image: np.ndarray) -> bytes:
    """Encode an image as Unity does: RGB PNGs one after another, the last one padded with zeros.

    Args:
        image: Shape (channels, height, width), uint8. A single channel becomes a grey RGB image.
    """
    if len(image) == 1:
        image = np.repeat(image, CHANNELS_PER_PNG, axis=0)
    padding = -len(image) % CHANNELS_PER_PNG
    padded = np.concatenate([image, np.zeros((padding, *image.shape[1:]), np.uint8)])
    stream = io.BytesIO()
    for first in range(0, len(padded), CHANNELS_PER_PNG):
        picture = np.ascontiguousarray(padded[first : first + CHANNELS_PER_PNG].transpose(1, 2, 0))
        Image.fromarray(picture).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def decode_png(data: bytes, shape: Sequence[int], mapping: Sequence[int] = ()) -> np.ndarray:
    """Decode a compressed observation. Pictures of another size than the observation's are not decompressed.

    Args:
        data: One or more PNGs, at most one for each channel.
        shape: The observation's (channels, height, width).
        mapping: For each channel in the PNGs, the observation's channel that it belongs to; -1 means none. Several
            channels with one target are averaged. Without a mapping, the first `channels` channels are taken, and a
            single channel is the mean of the first PNG's channels.

    Returns:
        Shape: (channels, height, width); uint8, or float32 from 0 to 1 if the mapping averages channels, since means
        have fractions.

    Raises:
        ValueError: The data is damaged, or its size or its channels do not fit.
    """
    channels, height, width = shape
    pictures: list[np.ndarray] = []
    for part in _split(data):
        if len(pictures) == channels:
            raise ValueError(f"more than {channels} PNGs for {channels} channels")
        found = struct.unpack_from(">II", part, SIZE_AT)
        if found != (width, height):
            raise ValueError(f"a PNG of {found[0]} x {found[1]} pixels, expected {width} x {height}")
        try:
            with Image.open(io.BytesIO(part)) as opened:
                picture = np.asarray(opened if opened.mode in ("RGB", "RGBA", "L") else opened.convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"a PNG that cannot be read ({error})") from error
        pictures.append(picture.reshape(*picture.shape[:2], -1).transpose(2, 0, 1))
    if not pictures:
        raise ValueError("no PNG")
    stack = np.concatenate(pictures)
    groups = _groups(channels, mapping, len(pictures[0]), len(stack))
    if averages(mapping):
        return np.stack([stack[group].mean(axis=0, dtype=np.float32) / np.float32(255) for group in groups])
    return np.stack([_mean(stack[group]) for group in groups])


def averages(mapping: Sequence[int]) -> bool:
    """Whether a mapping gives one channel of the observation several channels of the PNGs, as for grey cameras."""
    targets = [target for target in mapping if target >= 0]
    return len(set(targets)) < len(targets)


def _split(data: bytes) -> Iterator[bytes]:
    """Yield the PNG files in `data`, delimited by their chunks. Source: https://www.w3.org/TR/png-3/#5Chunk-layout."""
    start = 0
    while start < len(data):
        if not data.startswith(PNG_SIGNATURE, start):
            raise ValueError("no PNG where one should begin")
        if data[start + 12 : start + SIZE_AT] != b"IHDR" or len(data) < start + HEADER_BYTES:
            raise ValueError("a PNG without a header")
        position, kind = start + len(PNG_SIGNATURE), b""
        while kind != b"IEND":
            if position + 12 > len(data):
                raise ValueError("a PNG that ends too early")
            length, kind = struct.unpack_from(">I4s", data, position)
            position += 12 + length
        yield data[start:position]
        start = position


def _groups(channels: int, mapping: Sequence[int], first_picture: int, available: int) -> list[list[int]]:
    """For each channel of the observation, list the channels in the PNGs whose mean it is."""
    if mapping:
        if len(mapping) != available:
            raise ValueError(f"a mapping of {len(mapping)} channels for {available} in the PNGs")
        groups: list[list[int]] = [[] for _ in range(channels)]
        for index, target in enumerate(mapping):
            if target >= channels:
                raise ValueError(f"a mapping to channel {target} of an observation with {channels}")
            if target >= 0:
                groups[target].append(index)
        if not all(groups):
            raise ValueError(f"a mapping {list(mapping)} that leaves out channel {groups.index([])}")
        return groups
    if channels == 1:
        return [list(range(first_picture))]
    if available < channels:
        raise ValueError(f"{available} channels where {channels} are expected")
    return [[index] for index in range(channels)]


def _mean(layers: np.ndarray) -> np.ndarray:
    return layers[0] if len(layers) == 1 else np.rint(layers.mean(axis=0)).astype(np.uint8)
