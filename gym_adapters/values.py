"""What a value is that other people's code returned, such as a reward: a number, a flag, an array of numbers."""

from typing import Any

import numpy as np

PLAIN_NUMBERS = (float, int, np.float64, np.float32)
PLAIN_FLAGS = (bool, np.bool_)


def one_number(value: Any) -> float | None:
    """Returns a value as a number; None if it is anything else than one number, in an array or not."""
    if type(value) in PLAIN_NUMBERS:
        return float(value)
    array = as_numbers(value)
    return None if array is None or array.size != 1 else float(array.item())


def one_flag(value: Any) -> bool | None:
    """Returns a value as a flag; None if it is anything else than one True or False, 1 or 0, in an array or not."""
    if type(value) in PLAIN_FLAGS:
        return bool(value)
    array = as_numbers(value)
    return None if array is None or array.size != 1 or array.item() not in (0, 1) else bool(array.item())


def as_numbers(value: Any) -> np.ndarray | None:
    """Returns a value, such as a list, as an array of real numbers; None if it holds anything else."""
    try:
        array = np.asarray(value)
        if array.dtype == object:
            array = np.array(array.tolist())
    except Exception:  # ragged lists, tensors of another device
        return None
    return array if array.dtype.kind in "biuf" else None


def repeated(ids: np.ndarray) -> int | None:
    """Returns the lowest id that an array holds twice; None if each is there once. Shape: (n,)."""
    if (ids[1:] > ids[:-1]).all() or len(set(ids.tolist())) == len(ids):
        return None
    values, counts = np.unique(ids, return_counts=True)
    return int(values[counts > 1][0])


def described(value: Any) -> str:
    """Returns a value in at most 80 characters: an array's shape and type, anything else as Python writes it."""
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"an array of shape {value.shape} and type {value.dtype}"
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = ""
    return text if text and len(text) <= 80 else f"{text[:60]}… ({type(value).__name__})"
