"""The reference page ``docs/configuration.md``, generated from the settings."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from gym_adapters.limits import STEPS
from trainers.config import catalogue
from trainers.config.base import EXTENSION
from trainers.config.schema import training_schema

_INTRODUCTION = """\
# The training file

This page is generated: `.venv/bin/python -m trainers.config --write-docs docs/configuration.md`.

A training file is YAML with the keys of ML-Agents' own training file, and the keys mean what they mean there.
Keys marked **ext** are extensions that `mlagents-learn` does not know; to write a file without them, run
`.venv/bin/python -m trainers.config FILE --for-mlagents`. Keys marked **old** are deprecated there.

- Each of these takes precedence over those before it: defaults, the training file, command line options,
  `--set KEY=VALUE`.
- An unknown key, a wrong type or a value out of range is an error that names the key.
- A behavior inherits the keys that it leaves out from `default_settings`, at every depth. It inherits
  `hyperparameters` only if both have the same `trainer_type`.
- Numbers may be written `3e-4` or `3.0e-4`, whole numbers also `1e7`. `true` and `false` are not numbers.
- `--set` needs the whole path of the key: `--set behaviors.Walker.hyperparameters.learning_rate=1e-4`. The behavior
  name `*` stands for every behavior of the file and for `default_settings`.
- An agent step is one decision of one agent. All counts of steps are sums over agents, environments and ranks (with
  `scale_batch`, those of each rank).
- Sizes have limits: [Security](security.md#sizes-that-are-refused) lists them. No count may exceed 1e15.

An editor completes and checks a training file with this line at its top (with the path of the schema from there):

    # yaml-language-server: $schema=unity_configs/schema.json
"""

_NOTES = {
    "EnvironmentParameter": "A sampler is a map with `sampler_type` (constant, uniform, gaussian or multirangeuniform) "
    "and `sampler_parameters`.",
}

_SCALARS = {"boolean": "true or false", "string": "text", "object": "map", "integer": "whole number"}


def docs_text() -> str:
    """Return the text of ``docs/configuration.md``: a table of each block."""
    schema = training_schema()
    sections = (_section(title, name, schema) for title, name in _tables().items())
    return _INTRODUCTION + "".join(f"\n{section}" for section in sections)


@cache
def _tables() -> dict[str, str | None]:
    """Return the heading and the class of each table; None is the top level."""
    return {
        "Top level": None,
        "behaviors.NAME and default_settings": "BehaviorSettings",
        **{f"hyperparameters of {one.name}": one.settings.__name__ for one in catalogue.algorithms()},
        "network_settings": "NetworkSettings",
        "network_settings.memory": "MemorySettings",
        "reward_signals": "RewardSignals",
        **{f"reward_signals.{one.name}": one.settings.__name__ for one in catalogue.signals()},
        "behavioral_cloning": "BehavioralCloningSettings",
        "self_play": "SelfPlaySettings",
        "env_settings": "EnvSettings",
        "engine_settings": "EngineSettings",
        "environment_parameters.NAME": "EnvironmentParameter",
        "curriculum lesson": "Lesson",
        "completion_criteria": "CompletionCriteria",
        "sampler_parameters of constant": "ConstantParameters",
        "sampler_parameters of uniform": "UniformParameters",
        "sampler_parameters of gaussian": "GaussianParameters",
        "sampler_parameters of multirangeuniform": "MultiRangeUniformParameters",
        "checkpoint_settings": "CheckpointSettings",
        "torch_settings": "TorchSettings",
        "rank_settings": "RankSettings",
    }


def _section(title: str, name: str | None, schema: Mapping[str, Any]) -> str:
    block = schema if name is None else schema["$defs"][name]
    description = " ".join(block.get("description", "").replace("``", "`").split())
    text = " ".join(filter(None, (description, _NOTES.get(name or ""))))
    return f"## {title}\n\n{text}\n\n| Key | Type | Default | Meaning | |\n|---|---|---|---|---|\n" + "".join(
        f"| `{key}` | {_kind(field)} | {_default(key, field, block)} | {_meaning(field)} | {_mark(field)} |\n"
        for key, field in block["properties"].items()
    )


def _kind(field: Mapping[str, Any]) -> str:
    """Return the type of a key in words."""
    if "$ref" in field:
        return _block(field["$ref"])
    if "anyOf" in field:
        return " or ".join(_kind(choice) for choice in field["anyOf"])
    if "enum" in field:
        return ", ".join(field["enum"])
    if "prefixItems" in field:
        return f"[{', '.join(map(_kind, field['prefixItems']))}]"
    if field["type"] == "array":
        return f"list of {_kind(field['items'])}"
    if isinstance(field.get("additionalProperties"), dict):
        return f"map of {_kind(field['additionalProperties'])} by name"
    return " ".join([_SCALARS.get(field["type"], field["type"]), " and ".join(_bounds(field))]).strip()


def _bounds(field: Mapping[str, Any]) -> Iterator[str]:
    for name, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤")):
        if name in field and field[name] != STEPS:
            yield f"{sign} {field[name]:.10g}"


def _block(reference: str) -> str:
    """Return a link to the table of the block that a schema reference points to."""
    name = reference.rpartition("/")[2]
    title = next((title for title, table in _tables().items() if table == name), None)
    if title is None:
        return {"Value": "number or sampler"}.get(name, "map")
    anchor = title.lower().replace(".", "").replace(" ", "-")
    return f"[{title}](#{anchor})"


def _default(key: str, field: Mapping[str, Any], block: Mapping[str, Any]) -> str:
    if key in block.get("required", ()):
        return "needed"
    if "default" not in field:
        is_block = "$ref" in field or key == "hyperparameters"
        return "its own" if is_block else "`{}`" if field["type"] == "object" else "see meaning"
    return f"`{json.dumps(field['default']).strip(chr(34))}`"


def _meaning(field: Mapping[str, Any]) -> str:
    return str(field.get("description", "")).removesuffix(EXTENSION)


def _mark(field: Mapping[str, Any]) -> str:
    return "ext" if field.get("extension") else "old" if field.get("deprecated") else ""
