"""The floating-point type in which observations reach a trainer."""

import numpy as np

FLOAT32 = np.dtype(np.float32)
FLOAT32_MAX = float(np.finfo(np.float32).max)
LARGEST_EXACT = 2.0**24
"""Up to here, float32 holds every integer; beyond, it merges neighbours."""


def as_floats(values: np.ndarray) -> np.ndarray:
    """Returns a new array of the numbers in float32, or in float64 if some lie beyond `LARGEST_EXACT`.

    Numbers that came as float32 or in a smaller type are float32 in any case, and so are those of an array that holds
    NaN, infinity or what float32 does not reach, which are refused by those who read them.

    Args:
        values: real numbers of any type.
    """
    with np.errstate(over="ignore"):
        narrow = np.array(values, FLOAT32)
    if np.can_cast(values.dtype, FLOAT32):
        return narrow
    largest = np.abs(narrow).max(initial=0.0)
    return values.astype(np.float64) if LARGEST_EXACT < largest <= FLOAT32_MAX else narrow
