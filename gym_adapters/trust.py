"""What an environment that a run folder names would execute."""

import importlib.machinery
from collections.abc import Mapping
from typing import Any

from gym_adapters.pettingzoo import ENVIRONMENT, OWN, PACKAGES


def needs_trust(env_id: str, options: Mapping[str, Any]) -> str:
    """Says what an environment may execute or open besides a registered Gymnasium environment.

    Args:
        env_id: "package.module:Env-v0" imports a module, which runs its code. A registered id runs what is installed.
        options: Keyword arguments of the environment. Text among them may name a file, a module or another
            environment; numbers and flags may not.

    Returns:
        What it would do, to go after "it would"; empty if nothing.
    """
    module = env_id.rpartition(":")[0]
    match = ENVIRONMENT.fullmatch(env_id)
    if match and match["package"].partition(".")[0] not in PACKAGES:
        module = match["package"]
    if module:
        top = module.partition(".")[0]
        found = importlib.machinery.PathFinder.find_spec(top)  # looks, and imports nothing
        return f"import the module {module!r} ({_place(found)})"
    given = {name: value for name, value in options.items() if not (match and name in OWN)}
    text = next(((name, text) for name, value in given.items() for text in _texts(value)), None)
    return (
        ""
        if text is None
        else f"give the environment {env_id!r} the text {text[1][:60]!r} as {text[0][:60]!r}"
    )


def _place(found: importlib.machinery.ModuleSpec | None) -> str:
    if found is None:
        return "which is not installed"
    return str(found.origin or next(iter(found.submodule_search_locations or ()), "of Python"))


def _texts(value: Any) -> list[str]:
    """Returns all texts in nested maps and lists, keys of inner maps included."""
    if isinstance(value, str | bytes):
        return [str(value)]
    if isinstance(value, Mapping):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    if isinstance(value, list | tuple | set):
        return [text for part in value for text in _texts(part)]
    return []
