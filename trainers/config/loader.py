"""From a training file, command line options and ``--set`` overrides to settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gym_adapters.errors import UserError
from trainers.config import errors
from trainers.config.overrides import every_behavior, key_path, put
from trainers.config.reader import parse_yaml, read_source
from trainers.config.run import RunSettings, deep_merge


@dataclass(frozen=True)
class _Layer:
    """Which keys one origin set, so that an error can name where a value came from."""

    label: str
    paths: tuple[errors.Path, ...]


def load_settings(
    source: Path | str | Mapping[str, Any] | None,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> RunSettings:
    """Read, merge and check the settings of a run: defaults < training file < options < overrides.

    Args:
        source: Path of a training file, its YAML text (anything with a line break, or ``key: value`` that is
            no file), its content as a map, or None for no file at all.
        overrides: ``--set`` strings such as ``behaviors.Walker.max_steps=1e6``; the value is YAML.
        options: What the command line really gave, in the shape of the training file.

    In ``options`` and ``overrides``, ``*`` as the name of a behavior means each behavior of the file and
    ``default_settings``; where the file has neither, it means ``default_settings``.

    Raises:
        UserError: One line that names the file, the key, what was expected and what was found.
    """
    label, content = read_source(source)
    merged = dict(content)
    layers = []
    if options:
        given = every_behavior(options, merged)
        merged = deep_merge(merged, given)
        layers.append(_Layer("command line", tuple(_leaves(given))))
    for override in overrides:
        merged, layer = _apply(override, merged)
        layers.append(layer)
    try:
        settings = RunSettings.model_validate(merged)
    except ValidationError as error:
        path, text, more = errors.first_problem(error)
        others = f" (and {more} more)" if more else ""
        key = ".".join(map(str, path))
        raise UserError(": ".join(filter(None, (_origin(path, layers, label), key, text))) + others) from None
    settings._source = label if source is not None else None  # noqa: SLF001 - no key of the training file
    return settings


def _apply(override: str, content: dict[str, Any]) -> tuple[dict[str, Any], _Layer]:
    """Return ``content`` with one ``KEY=VALUE`` in it, and which keys that set."""
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UserError(f"--set {override}: expected KEY=VALUE, for example debug=true")
    label = f"--set {key}"
    path = key_path(key, content)
    value = parse_yaml(text, label)
    if path[:2] == ("behaviors", "*"):
        given = every_behavior(put({}, path, value, label), content)
        targets = [("behaviors", name, *path[2:]) for name in given.get("behaviors", {})]
        targets += [("default_settings", *path[2:])] if "default_settings" in given else []
    else:
        targets = [path]
    for target in targets:
        content = put(content, target, value, label)
    return content, _Layer("--set", tuple(targets))


def _leaves(tree: Mapping[str, Any], above: errors.Path = ()) -> list[errors.Path]:
    """Return the path of each value in a nested map."""
    paths: list[errors.Path] = []
    for key, value in tree.items():
        below = isinstance(value, Mapping) and value
        paths += _leaves(value, (*above, key)) if below else [(*above, key)]
    return paths


def _origin(path: errors.Path, layers: list[_Layer], label: str) -> str:
    """Return where the value at ``path`` came from: the last origin that set it."""
    for layer in reversed(layers):
        if any(path[: len(touched)] == touched for touched in layer.paths):
            return layer.label
    return label
