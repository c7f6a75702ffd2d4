"""Key paths of ``--set``, and the behavior name ``*``, which stands for every behavior."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from gym_adapters.errors import UserError
from trainers.config import catalogue
from trainers.config.base import Settings, one_of, show
from trainers.config.behavior import BehaviorSettings
from trainers.config.errors import KeyPath
from trainers.config.network import NetworkSettings
from trainers.config.reward_signals import RewardSignals
from trainers.config.run import RunSettings, deep_merge
from trainers.config.signals import ExtrinsicSettings

_BLOCKS_BY_NAME = {
    "behaviors": frozenset(BehaviorSettings.model_fields),
    "environment_parameters": frozenset({"curriculum", "sampler_type", "sampler_parameters"}),
}


def every_behavior(options: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``options`` with the entry of behavior ``*`` merged into the entries of all behaviors of ``content``."""
    behaviors = dict(options.get("behaviors", {}))
    wanted = behaviors.pop("*", None)
    if wanted is None:
        return dict(options)
    below = content.get("behaviors")
    listed = below if isinstance(below, Mapping) else {}
    spread = {key: value for key, value in options.items() if key != "behaviors"}
    if listed or behaviors:
        spread["behaviors"] = deep_merge(dict.fromkeys(listed, wanted), behaviors)
    if not listed or content.get("default_settings") is not None:
        spread["default_settings"] = deep_merge(wanted, options.get("default_settings", {}))
    return spread


def key_path(key: str, content: Mapping[str, Any]) -> KeyPath:
    """Split a dotted key into its parts.

    Names of behaviors and parameters may contain dots. A name that ``content`` has is matched first. Any other name
    ends before the first part that is a key of its block. Without such a part, the name of a behavior is one part, and
    the name of a parameter is the whole rest.
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


def advice(path: KeyPath, unknown: int) -> str:
    """Return what to do about an unknown key, such as ``did you mean behaviors.*.max_steps?``; empty if it is unclear.

    Another block may have a key with this name, or other algorithms may have it at this place.

    Args:
        path: The path of the key.
        unknown: The index of its first part that its block does not have.
    """
    if nameless := without_name(path):
        return nameless
    name = str(path[unknown])
    inside = {"behaviors": 2, "default_settings": 1}.get(str(path[0]), unknown + 1)
    behavior = path[:inside] if inside <= unknown else ("behaviors", "*")
    for block, settings in _blocks():
        if name in settings.known_keys():
            above = (*behavior, *block[2:]) if block[:2] == ("behaviors", "*") else block
            if above == path[:unknown]:
                return f"trainer_type {_trainer_types(name)} has it; remove it, or change trainer_type"
            return f"did you mean {'.'.join(map(str, (*above, name, *path[unknown + 1 :])))}?"
    return ""


def without_name(path: KeyPath) -> str:
    """Return what is meant by a path that has a behavior's key in the place of its name; empty if it has none there."""
    if path[0] != "behaviors" or len(path) < 2 or path[1] not in _BLOCKS_BY_NAME["behaviors"]:
        return ""
    return f"did you mean {'.'.join(map(str, ('behaviors', '*', *path[1:])))}?"


def place_of(name: str) -> str | None:
    """Return the path of the first key with a name, with ``*`` for a behavior's; None if no block has it."""
    return next(
        (".".join((*block, name)) for block, settings in _blocks() if name in settings.known_keys()), None
    )


def _trainer_types(key: str) -> str:
    """Return the algorithms that have a hyperparameter."""
    return one_of(one.name for one in _algorithms() if key in one.settings.known_keys())


def _algorithms() -> Iterator[catalogue.Listed]:
    """Yield every algorithm that can be used; that of a broken package matters only to files that name it."""
    for name in catalogue.algorithm_names():
        with suppress(UserError):
            algorithm = catalogue.algorithm(name)
            if algorithm is not None:
                yield algorithm


def _blocks() -> Iterator[tuple[tuple[str, ...], type[Settings]]]:
    """Yield the blocks of the training file, each with the path of its keys."""
    yield (), RunSettings
    yield ("behaviors", "*"), BehaviorSettings
    yield ("behaviors", "*", "reward_signals", "extrinsic"), ExtrinsicSettings
    for algorithm in _algorithms():
        yield ("behaviors", "*", "hyperparameters"), algorithm.settings
    yield ("behaviors", "*", "network_settings"), NetworkSettings
    yield ("behaviors", "*", "reward_signals"), RewardSignals
    for name, field in RunSettings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield (name,), field.annotation


def put(content: Any, path: KeyPath, value: Any, label: str) -> Any:
    """Return a copy of ``content`` with ``value`` at ``path``.

    Missing maps on the path are created. A number selects an item of a list. ``content`` itself does not change,
    because all aliases of a YAML anchor are one shared object, and only one of them may change.

    Raises:
        UserError: A part of the path leads into a value that is neither a map nor a list with that item.
    """
    if not path:
        return value
    part, rest = path[0], path[1:]
    if isinstance(content, list) and str(part).isdecimal() and int(part) < len(content):
        changed = list(content)
        changed[int(part)] = put(content[int(part)], rest, value, label)
        return changed
    if content is not None and not isinstance(content, Mapping):
        raise UserError(f"{label}: there is no {part} in {show(content)}")
    below = {} if content is None else content
    return {**below, part: put(below.get(part), rest, value, label)}


def leaves(tree: Mapping[str, Any], above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the path and the value of each key of nested maps whose value is not itself a map with keys."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value


def flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested maps as one map with keys such as ``a.b.c``. Empty maps are left out."""
    return {".".join(map(str, path)): value for path, value in leaves(tree) if value != {}}
