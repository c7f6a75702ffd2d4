"""Loading settings from a training file, command line options and ``--set`` overrides."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from gym_adapters.commands import module_command
from gym_adapters.errors import UserError
from gym_adapters.limits import YAML_LEVELS
from trainers.config import errors
from trainers.config.base import UNKNOWN, Settings
from trainers.config.old_files import old_file
from trainers.config.overrides import advice, every_behavior, key_path, leaves, put, without_name
from trainers.config.reader import SETTINGS, FileKind, parse_yaml, read_source
from trainers.config.run import ONE_START, RunSettings, deep_merge

CONFIGURATION = "configuration.yaml"
"""The file in which a run keeps its settings."""

Block = TypeVar("Block", bound=Settings)


class Origin(NamedTuple):
    """A key that the command line set: its path, the place that messages name, and the path as the user wrote it."""

    key: errors.KeyPath
    source: str
    written: errors.KeyPath


def load_settings(
    source: Path | str | Mapping[str, Any] | None,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> RunSettings:
    """Read, merge and check the settings of a run: defaults < training file < options < overrides.

    Args:
        source: Path of a training file, its YAML text (a string with a line break, or like ``key: value``), its
            content as a map, or None for no file.
        overrides: ``--set`` strings such as ``behaviors.Walker.max_steps=1e6``; the value is YAML.
        options: The options that the command line gave, in the structure of the training file.

    If the file is the ``configuration.yaml`` in a run's folder, its ``resume``, ``force`` and ``inference`` are those
    of an earlier start and do not count.

    In ``options`` and ``overrides``, the behavior name ``*`` stands for each behavior of the file and for
    ``default_settings``. If the file has neither, it stands for ``default_settings``.

    Raises:
        UserError: One line that names the file, the key, what was expected and what was found.
    """
    label, content = read_source(source)
    merged = _without_earlier_start(label, content)
    origins: list[Origin] = []
    if options:
        given = every_behavior(options, merged)
        merged = deep_merge(merged, given)
        origins += [Origin(path, "command line", path) for path, _ in leaves(given)]
    for override in overrides:
        merged, set_here = _apply(override, merged)
        origins += set_here
    if outdated := old_file(content):
        upgrade = module_command("trainers.config", "--from-mlagents", label)
        raise UserError(
            f"{label}: {outdated}{'' if label == SETTINGS else f'. To bring it up to date: {upgrade}'}"
        )
    try:
        settings = RunSettings.model_validate(merged)
    except ValidationError as error:
        mistakes = [_mistake(path, text, origins, label) for path, text in errors.problems(error)]
        raise UserError(errors.listed(mistakes)) from None
    settings._source = label if source is not None else None  # noqa: SLF001 - no key of the training file
    return settings


def load_block(path: Path, kind: type[Block], name: str) -> tuple[str, Block]:
    """Read a YAML file that holds one block of settings and is no training file.

    Args:
        path: The file.
        kind: The class of the block.
        name: What such a file is called, in messages.

    Returns:
        The file's name in messages, and the block.

    Raises:
        UserError: The file cannot be read or is invalid.
    """
    needed = [key for key, field in kind.model_fields.items() if field.is_required()]
    label, content = read_source(path, FileKind(name, " and ".join(needed)))
    try:
        return label, kind.model_validate(dict(content))
    except ValidationError as error:
        raise UserError(errors.listed([_line(label, *each) for each in errors.problems(error)])) from None


def _without_earlier_start(label: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a training file; that of a run's own record without the keys in ``ONE_START``."""
    path, block = Path(label), content.get("checkpoint_settings")
    is_record = path.name == CONFIGURATION and path.with_name("run_logs").is_dir()
    if not is_record or not isinstance(block, Mapping):
        return dict(content)
    kept = {key: value for key, value in block.items() if key not in ONE_START}
    return {**content, "checkpoint_settings": kept}


def _mistake(path: errors.KeyPath, text: str, origins: Sequence[Origin], label: str) -> str:
    """Return a line about one mistake: where it stands, the key as it was written, and what is wrong."""
    of_file = Origin((), label, ())
    if text.startswith(UNKNOWN):
        one = next(
            (one for one in reversed(origins) if one.key[: len(path)] == path), Origin(path, label, path)
        )
        meant = advice(one.written, len(path) - 1 + len(one.written) - len(one.key))
        return _line(one.source, one.written, f"{UNKNOWN}; {meant}" if meant else text)
    one = next((one for one in reversed(origins) if path[: len(one.key)] == one.key), of_file)
    shown = (*one.written, *path[len(one.key) :])
    meant = without_name(shown) if len(path) == 2 else ""
    return _line(one.source, shown, f"{text}; {meant}" if meant else text)


def _line(origin: str, path: errors.KeyPath, text: str) -> str:
    return ": ".join(filter(None, (origin, ".".join(map(str, path)), text)))


def _apply(override: str, content: dict[str, Any]) -> tuple[dict[str, Any], list[Origin]]:
    """Return ``content`` with one ``KEY=VALUE`` applied, and the keys that this set."""
    if not isinstance(override, str):  # from Python
        raise UserError(f"overrides: expected texts such as 'debug=true', got {override!r:.100}")
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UserError(f"--set {override}: expected KEY=VALUE, for example debug=true")
    label = f"--set {key}"
    path = key_path(key, content)
    if len(path) > YAML_LEVELS:
        raise UserError(f"--set {key[:40]}...: expected at most {YAML_LEVELS} levels, got {len(path)}")
    value = parse_yaml(text, label)
    if path[:2] == ("behaviors", "*"):
        given = every_behavior(put({}, path, value, label), content)
        keys: list[errors.KeyPath] = [("behaviors", name, *path[2:]) for name in given.get("behaviors", {})]
        set_here = [Origin(key, "--set", key) for key in keys]
        if "default_settings" in given:
            set_here.append(Origin(("default_settings", *path[2:]), "--set", path))
    else:
        set_here = [Origin(path, "--set", path)]
    for one in set_here:
        content = put(content, one.key, value, label)
    return content, set_here
