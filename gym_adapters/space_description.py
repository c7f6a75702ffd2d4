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

    A space of a class of its own, which is derived from one of Gymnasium's, is described as Gymnasium's.

    Raises:
        TypeError: The space is of another kind.
    """
    match space:
        case spaces.Box():
            low, high = _short(space.low), _short(space.high)
            kind: dict[str, Any] = {
                "kind": "Box",
                "low": low,
                "high": high,
                "shape": list(space.shape),
                "dtype": str(space.dtype),
            }
        case spaces.Discrete():
            kind = {"kind": "Discrete", "n": int(space.n), "start": int(space.start), **_integers(space)}
        case spaces.MultiDiscrete():
            kind = {
                "kind": "MultiDiscrete",
                "nvec": space.nvec.tolist(),
                "start": space.start.tolist(),
                **_integers(space),
            }
        case spaces.MultiBinary():
            kind = {"kind": "MultiBinary", "n": space.n if isinstance(space.n, int) else list(space.shape)}
        case spaces.Dict():
            kind = {
                "kind": "Dict",
                "entries": [[key, describe(entry)] for key, entry in space.spaces.items()],
            }
        case spaces.Tuple():
            kind = {"kind": "Tuple", "entries": [describe(entry) for entry in space.spaces]}
        case _:
            raise TypeError(f"a space of kind {type(space).__name__} has no description")
    return kind


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
            return spaces.Discrete(description["n"], start=description["start"], **_dtype(description))
        case "MultiDiscrete":
            nvec, start = np.array(description["nvec"]), np.array(description["start"])
            return spaces.MultiDiscrete(nvec, start=start, **_dtype(description))
        case "MultiBinary":
            return spaces.MultiBinary(description["n"])
        case "Dict":
            return spaces.Dict([(key, space_from(entry)) for key, entry in description["entries"]])
        case "Tuple":
            return spaces.Tuple([space_from(entry) for entry in description["entries"]])
    raise ValueError(f"no space is of kind {description['kind']!r}")


def _integers(space: Space) -> dict[str, str]:
    """The type of a space's integers, unless it is the usual one."""
    return {} if space.dtype == np.int64 else {"dtype": str(space.dtype)}


def _dtype(description: Mapping[str, Any]) -> dict[str, Any]:
    return {"dtype": np.dtype(description["dtype"]).type} if "dtype" in description else {}


def _short(bound: np.ndarray) -> Any:
    """A bound as one number if it is the same everywhere, else as nested lists."""
    same = bound.size > 0 and bool((bound == bound.flat[0]).all())
    return bound.flat[:1].tolist()[0] if same else bound.tolist()
