"""What a checkpoint must hold: the kinds, shapes and ranges of its values."""

from collections import OrderedDict
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gym_adapters.errors import UserError
from trainers.config.errors import problems

KEPT = (torch.Tensor, int, float, bool, str, type(None))
"""What a checkpoint keeps, in dictionaries, lists and tuples. Anything else could not be read again."""

LARGEST_STEP = 2**63 - 1
"""TensorBoard's files hold steps in 64 bits."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", arbitrary_types_allowed=True)


class SavedObservation(_Part):
    """One observation of a behavior. `behavior_spec.spec_from` reads it."""

    name: str
    shape: list[int]
    dimension_property: list[int]
    observation_type: int


class SavedBehavior(_Part):
    """A behavior, and the settings of its network. Algorithms add keys of their own."""

    name: str
    observations: list[SavedObservation]
    continuous_size: int = Field(ge=0)
    discrete_branches: list[int]
    network_settings: dict[str, Any]


class SavedPolicy(_Part):
    """What acting needs of a checkpoint."""

    trainer_type: str
    global_step: int = Field(ge=0, le=LARGEST_STEP)
    behavior: SavedBehavior
    Policy: dict[str, torch.Tensor]


def require_policy(state: dict[str, Any]) -> None:
    """Require that a checkpoint holds what acting needs.

    Raises:
        ValueError: a value is missing or of another kind; the message names it.
    """
    try:
        SavedPolicy.model_validate(state)
    except ValidationError as error:
        where, text = problems(error)[0]
        raise ValueError(f"{'.'.join(map(str, where))}: {text}") from None


def require_savable(state: Any, where: str) -> None:
    """Require that a checkpoint which holds this can be read again.

    Args:
        state: a part of a checkpoint.
        where: its name, for the message.

    Raises:
        UserError: a value is of a kind that is not read, such as a numpy array; the message names it.
    """
    if type(state) in (dict, OrderedDict, list, tuple):
        pairs = state.items() if isinstance(state, dict) else enumerate(state)
        for key, value in pairs:
            require_savable(key, f"{where}, a key")
            require_savable(value, f"{where}.{key}")
    elif type(state) not in KEPT:
        kind = f"{type(state).__module__}.{type(state).__qualname__}"
        raise UserError(
            f"{where} is a {kind}, and a checkpoint with it could not be read again; let `state_dict` return tensors, "
            "numbers, strings, lists and dictionaries"
        )


def require_alike(found: Any, expected: Any, where: str) -> None:
    """Require that values have the kinds and shapes of others, and that all numbers are finite.

    A map may have more keys than expected. A list may have any length, and holds numbers. Whole numbers count
    something, so none is negative.

    Args:
        found: a part of a checkpoint.
        expected: the same part of the state of the object that is to take it over.
        where: its name, for the message.

    Raises:
        ValueError: a value differs; the message names it.
    """
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            raise ValueError(f"{where}: expected a map, got {type(found).__name__}")
        for key, value in expected.items():
            if key not in found:
                raise ValueError(f"{where}.{key} is missing")
            require_alike(found[key], value, f"{where}.{key}")
    elif isinstance(expected, torch.Tensor):
        _require_tensor(found, expected, where)
    elif isinstance(expected, list):
        if not isinstance(found, list):
            raise ValueError(f"{where}: expected a list, got {type(found).__name__}")
        for value in found:
            require_alike(value, 0.0, where)
    elif type(expected) is int:
        if type(found) is not int or not 0 <= found <= LARGEST_STEP:
            raise ValueError(f"{where}: expected a count, got {_shown(found)}")
    elif isinstance(expected, float):
        if type(found) not in (int, float) or not abs(found) < float("inf"):
            raise ValueError(f"{where}: expected a finite number, got {_shown(found)}")
    elif expected is not None and type(found) is not type(expected):
        raise ValueError(f"{where}: expected {type(expected).__name__}, got {_shown(found)}")


def _require_tensor(found: Any, expected: torch.Tensor, where: str) -> None:
    if not isinstance(found, torch.Tensor):
        raise ValueError(f"{where}: expected a tensor, got {type(found).__name__}")
    if (found.dtype, found.shape) != (expected.dtype, expected.shape):
        raise ValueError(
            f"{where}: expected {tuple(expected.shape)} of {expected.dtype}, got {tuple(found.shape)} of {found.dtype}"
        )
    if not torch.isfinite(found).all():
        raise ValueError(f"{where} has numbers that are not finite")


def _shown(value: Any) -> str:
    return repr(value)[:40] if isinstance(value, int | float | str | None) else type(value).__name__
