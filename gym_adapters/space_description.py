"""Gymnasium spaces as plain types, so that a checkpoint can hold the spaces of its environment."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import Space, spaces
from mlagents_envs.base_env import BaseEnv

from gym_adapters.teams import parts_of


def described_spaces(env: BaseEnv) -> dict[str, list[dict[str, Any]]]:
    """Returns the observation and action space of each behavior, by name without team; none unless from Gymnasium."""
    return {
        parts_of(name)[0]: [describe(space) for space in pair]
        for name, pair in getattr(env, "spaces", {}).items()
    }


def describe(space: Space) -> dict[str, Any]:
    """Returns a space that `spaces.ObservationMapping` or `ActionMapping` supports as dictionaries, lists and numbers.

    Raises:
        TypeError: The space is of another kind.
    """
    match space:
        case spaces.Box():
            low, high = _short(space.low), _short(space.high)
            kind: dict[str, Any] = {
                "low": low,
                "high": high,
                "shape": list(space.shape),
                "dtype": str(space.dtype),
            }
        case spaces.Discrete():
            kind = {"n": int(space.n), "start": int(space.start)}
        case spaces.MultiDiscrete():
            kind = {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
        case spaces.MultiBinary():
            kind = {"n": space.n if isinstance(space.n, int) else list(space.shape)}
        case spaces.Dict():
            kind = {"entries": [[key, describe(entry)] for key, entry in space.spaces.items()]}
        case spaces.Tuple():
            kind = {"entries": [describe(entry) for entry in space.spaces]}
        case _:
            raise TypeError(f"a space of kind {type(space).__name__} has no description")
    return {"kind": type(space).__name__, **kind}


def space_from(description: Mapping[str, Any]) -> Space:
    """Returns the space that `describe` described."""
    match description["kind"]:
        case "Box":
            shape, dtype = tuple(description["shape"]), np.dtype(description["dtype"])
            low, high = (
                np.broadcast_to(np.asarray(description[end], dtype), shape) for end in ("low", "high")
            )
            return spaces.Box(low, high, dtype=dtype.type)
        case "Discrete":
            return spaces.Discrete(description["n"], start=description["start"])
        case "MultiDiscrete":
            return spaces.MultiDiscrete(np.array(description["nvec"]), start=np.array(description["start"]))
        case "MultiBinary":
            return spaces.MultiBinary(description["n"])
        case "Dict":
            return spaces.Dict([(key, space_from(entry)) for key, entry in description["entries"]])
        case "Tuple":
            return spaces.Tuple([space_from(entry) for entry in description["entries"]])
    raise ValueError(f"no space is of kind {description['kind']!r}")


def _short(bound: np.ndarray) -> Any:
    """A bound as one number if it is the same everywhere, else as nested lists."""
    same = bound.size > 0 and bool((bound == bound.flat[0]).all())
    return bound.flat[:1].tolist()[0] if same else bound.tolist()
