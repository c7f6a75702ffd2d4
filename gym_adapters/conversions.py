"""How observations of a space without children become arrays of `DecisionSteps`: vectors, choices and images."""

import logging
from collections.abc import Callable

import numpy as np
from gymnasium import Space, spaces

from gym_adapters.action_spaces import largest, space_text
from gym_adapters.errors import UserError
from gym_adapters.floats import as_floats

logger = logging.getLogger(__name__)

MIN_IMAGE_SIDE = 8
"""A three-dimensional observation counts as an image if it is at least this high and wide, in pixels."""
MAX_GREY_RATIO = 4
"""A two-dimensional observation of bytes also needs sides whose ratio is at most this; others are stacked vectors."""

Convert = Callable[[np.ndarray], np.ndarray]


class OutsideError(Exception):
    """Values lie outside their space."""


def shape_and_conversion(space: Space) -> tuple[tuple[int, ...], Convert]:
    """Returns the shape of one observation of a space without children, and the function that converts a batch."""
    match space:
        case spaces.Box():
            order = _image_axes(space)
            return _vector(space) if order is None else _image(space, order)
        case spaces.MultiBinary():
            return _vector(space)
        case spaces.Discrete():
            return _one_hot(np.array([space.n]), np.array([space.start]))
        case spaces.MultiDiscrete():
            return _one_hot(space.nvec.ravel(), space.start.ravel())
    raise UserError(
        f"observation space {space_text(space)} is not supported; expected Box, Discrete, MultiDiscrete, "
        "MultiBinary, or a Dict or Tuple of these; wrap the environment to give one of these"
    )


def _vector(space: Space) -> tuple[tuple[int, ...], Convert]:
    size = int(np.prod(space.shape or ()))
    told = False

    def convert(batch: np.ndarray) -> np.ndarray:
        nonlocal told
        converted = as_floats(batch).reshape(len(batch), size)
        if converted.dtype == np.float64 and not told:
            told = True
            logger.warning(
                "observations reach %g, where float32 merges neighbours; network_settings.normalize: true normalises "
                "them in float64, else subtract an offset or scale them in the environment",
                np.abs(converted).max(),
            )
        return converted

    return (size,), convert


def _one_hot(sizes: np.ndarray, start: np.ndarray) -> tuple[tuple[int, ...], Convert]:
    """Converts integers of these sizes, counted from `start`, to one-hot vectors side by side."""
    first = np.cumsum(sizes) - sizes - start
    total = int(sizes.sum())

    def convert(batch: np.ndarray) -> np.ndarray:
        values = batch.reshape(len(batch), sizes.size)
        counted = values - start
        outside = (counted < 0) | (counted >= sizes)
        if outside.any():
            row, place = np.argwhere(outside)[0]
            low = start[place]
            raise OutsideError(f"value {values[row, place]} is outside {low} to {low + sizes[place] - 1}")
        columns = values + first
        encoded = np.zeros((len(columns), total), dtype=np.float32)
        np.put_along_axis(encoded, columns, 1.0, axis=1)
        return encoded

    return (total,), convert


def _image_axes(space: spaces.Box) -> tuple[int, ...] | None:
    """Returns the axes of an image in the order (frames), channels, height, width; None if it is no image.

    In a shape (a, b, c), c is the number of channels if a = b, and a is if b = c. In all other shapes, the smaller of a
    and c is.
    """
    shape = space.shape
    if len(shape) == 2:
        order: tuple[int, ...] = (0, 1)
        is_image = space.dtype == np.uint8 and max(shape) <= MAX_GREY_RATIO * min(shape)
    elif len(shape) in (3, 4):
        frames, (first, middle, last) = tuple(range(len(shape) - 3)), range(len(shape) - 3, len(shape))
        a, b, c = shape[-3:]
        channels_first = b == c if (a == b) != (b == c) else a < c
        order = (*frames, first, middle, last) if channels_first else (*frames, last, first, middle)
        is_image = True
    else:
        return None
    height, width = (shape[axis] for axis in order[-2:])
    return order if is_image and min(height, width) >= MIN_IMAGE_SIDE else None


def _image(space: spaces.Box, order: tuple[int, ...]) -> tuple[tuple[int, ...], Convert]:
    """Converts images to channel-first order; stacked frames become channels."""
    height, width = (space.shape[axis] for axis in order[-2:])
    shape = (int(np.prod(space.shape)) // (height * width), height, width)
    batch_order = (0, *(axis + 1 for axis in order))
    low, high = float(space.low.min()), float(space.high.max())
    is_bytes = space.dtype == np.uint8 and high > 1
    is_bounded = -largest(space.dtype) < low < high < largest(space.dtype)
    rescale = is_bounded and (low, high) != (0.0, 255.0 if is_bytes else 1.0)
    spread = np.zeros(0, np.uint8)
    if is_bytes:
        spread = np.rint(np.clip((np.arange(256) - low) / max(high - low, 1), 0, 1) * 255).astype(np.uint8)

    def convert(batch: np.ndarray) -> np.ndarray:
        dtype = np.uint8 if is_bytes else np.float32
        channel_first = batch.transpose(batch_order)
        pixels: np.ndarray = np.array(channel_first, dtype=dtype, order="C").reshape(len(batch), *shape)
        if not rescale:
            return pixels
        if not is_bytes:
            return ((pixels - low) / (high - low)).astype(np.float32)
        if pixels.max(initial=low) > high or pixels.min(initial=high) < low:
            raise OutsideError(f"a value lies outside {low:.0f} to {high:.0f}")
        return spread[pixels]

    return shape, convert
