"""Key paths: ``--set`` strings, and ``*`` for every behavior."""

from collections.abc import Mapping
from typing import Any

from gym_adapters.errors import UserError
from trainers.config.base import show
from trainers.config.behavior import BehaviorSettings
from trainers.config.errors import Path

_BLOCKS_BY_NAME = {
    "behaviors": frozenset(BehaviorSettings.model_fields),
    "environment_parameters": frozenset({"curriculum", "sampler_type", "sampler_parameters"}),
}


def every_behavior(options: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``options`` with the entry of behavior ``*`` copied to all behaviors of ``content``."""
    behaviors = dict(options.get("behaviors", {}))
    wanted = behaviors.pop("*", None)
    if wanted is None:
        return dict(options)
    listed = content.get("behaviors") if isinstance(content.get("behaviors"), Mapping) else None
    behaviors = {**dict.fromkeys(listed or {}, wanted), **behaviors}
    spread = {**options, "behaviors": behaviors}
    if not behaviors:
        del spread["behaviors"]
    if not listed or content.get("default_settings") is not None:
        spread["default_settings"] = wanted
    return spread


def key_path(key: str, content: Mapping[str, Any]) -> Path:
    """Split a dotted key. Names of behaviors and parameters may hold dots: known ones are matched first.

    A new name reaches to the first part that is a key of its block, or is the next part alone.
    """
    block, _, rest = key.partition(".")
    if block not in _BLOCKS_BY_NAME or not rest:
        return tuple(key.split("."))
    below = content.get(block)
    known = sorted(below if isinstance(below, Mapping) else (), key=lambda name: -len(str(name)))
    for name in map(str, known):
        if rest == name or rest.startswith(f"{name}."):
            return (block, name, *(part for part in rest[len(name) + 1 :].split(".") if part))
    parts = rest.split(".")
    alone = 1 if block == "behaviors" else len(parts)
    end = next((i for i, part in enumerate(parts) if i and part in _BLOCKS_BY_NAME[block]), alone)
    return (block, ".".join(parts[:end]), *parts[end:])


def put(content: dict[str, Any], path: Path, value: Any, label: str) -> None:
    """Set the value at ``path`` in place, making the maps on the way; list items are named by number.

    Raises:
        UserError: Something on the way is neither a map nor a list that has the item.
    """
    here: Any = content
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(here, list) and str(part).isdecimal() and int(part) < len(here):
            part = int(part)
        elif not isinstance(here, dict):
            above = ".".join(map(str, path[:depth]))
            raise UserError(f"{label}: there is no {part} in {above}, which holds {show(here)}")
        elif not last and here.get(part) is None:
            here[part] = {}
        if last:
            here[part] = value
        here = here[part]
