"""Checks of sizes that come from outside: a player's message, a checkpoint, an environment's spaces."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import psutil

from gym_adapters.errors import UserError
from gym_adapters.limits import ACTIONS, DIMENSIONS, OBSERVATION_VALUES, OBSERVATIONS

SHOWN = 6
"""Numbers of a shape or of branches that a message shows."""


def check_observations(owner: str, shapes: Sequence[Sequence[int]], least: int = 1) -> None:
    """Check the shapes of an agent's observations.

    Args:
        owner: whose they are, for the message.
        shapes: the shape of each observation.
        least: the smallest size of a dimension.

    Raises:
        UserError: there are too many of them, a shape has too many dimensions or one below `least`, or all of them
            together have more numbers than `limits.OBSERVATION_VALUES`.
    """
    if len(shapes) > OBSERVATIONS:
        raise UserError(
            f"{owner}: expected at most {OBSERVATIONS:,} observations, got {len(shapes):,}; use fewer sensors"
        )
    total = 0
    for index, shape in enumerate(shapes):
        if len(shape) > DIMENSIONS or any(size < least for size in shape):
            raise UserError(
                f"{owner}: observation {index} has the shape {_shown(shape)}; expected up to {DIMENSIONS} dimensions "
                f"of {least} or more; correct its sensor"
            )
        total += math.prod(map(int, shape))
        if total > OBSERVATION_VALUES:
            raise UserError(
                f"{owner}: observation {index} has the shape {_shown(shape)}; expected at most {OBSERVATION_VALUES:,} "
                "numbers in all observations of an agent; use smaller ones"
            )


def check_actions(owner: str, continuous: int, branches: Sequence[int] | np.ndarray) -> None:
    """Check the sizes of an agent's actions.

    Args:
        owner: whose they are, for the message.
        continuous: number of continuous actions.
        branches: number of choices of each discrete branch.

    Raises:
        UserError: a size is negative, a branch has no choice, or there are more than `limits.ACTIONS` in all.
    """
    if len(branches) > ACTIONS:
        raise UserError(
            f"{owner}: expected at most {ACTIONS:,} discrete branches, got {len(branches):,}; use fewer"
        )
    if continuous < 0 or any(size < 1 for size in branches):
        raise UserError(
            f"{owner}: expected 0 or more continuous actions and 1 or more choices in each discrete branch, got "
            f"{continuous} and {_shown(branches)}; correct its action spec"
        )
    total = continuous + sum(map(int, branches))
    if total > ACTIONS:
        raise UserError(
            f"{owner}: expected at most {ACTIONS:,} continuous actions and choices of discrete branches together, got "
            f"{total:,}; use fewer, or several smaller branches"
        )


@cache
def machine_memory() -> int:
    """Returns the whole memory of this machine in bytes."""
    return int(psutil.virtual_memory().total)


def require_memory(needed: int, what: str, advice: str) -> None:
    """Check that this machine could hold something at all, before it is made.

    Args:
        needed: in bytes.
        what: names it and its sizes.
        advice: what to do.

    Raises:
        UserError: it is larger than the whole memory of the machine.
    """
    whole = machine_memory()
    if needed > whole:
        raise UserError(
            f"{what} needs {needed / 2**30:,.1f} GiB of memory or more, this machine has {whole / 2**30:,.1f}; {advice}"
        )


def _shown(sizes: Sequence[int] | np.ndarray) -> str:
    rest = ", ..." if len(sizes) > SHOWN else ""
    return f"({', '.join(str(size) for size in sizes[:SHOWN])}{rest})"
