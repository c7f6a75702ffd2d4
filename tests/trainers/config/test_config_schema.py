"""The schema and the reference page: current, and in step with what the loader accepts."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainers.config import dump_settings, load_settings
from trainers.config.docs import docs_text
from trainers.config.schema import schema_text, training_schema

ROOT = Path(__file__).parents[3]
SCHEMA = training_schema()


def test_the_schema_file_is_current() -> None:
    text = (ROOT / "unity_configs/schema.json").read_text(encoding="utf-8")
    assert text == schema_text(), "run python -m trainers.config --write-schema unity_configs/schema.json"


def test_the_reference_page_is_current() -> None:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert text == docs_text(), "run python -m trainers.config --write-docs docs/configuration.md"


def test_the_reference_page_links_only_to_its_own_headings() -> None:
    page = docs_text()
    headings = {
        line[3:].lower().replace(".", "").replace(" ", "-")
        for line in page.splitlines()
        if line.startswith("## ")
    }
    links = {part.split(")")[0] for part in page.split("](#")[1:]}
    assert links <= headings


def test_every_reference_leads_somewhere() -> None:
    names = {text.split('"')[0] for text in json.dumps(SCHEMA).split("#/$defs/")[1:]}
    assert names <= set(SCHEMA["$defs"])


def problems(value: Any, schema: dict[str, Any]) -> list[str]:
    """Check a value against the part of JSON Schema that the training schema is written in."""
    if "$ref" in schema:
        schema = {**schema, **SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]}
    found = []
    if "anyOf" in schema and all(problems(value, choice) for choice in schema["anyOf"]):
        found.append(f"{value!r} fits no choice")
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "null": type(None),
    }
    kind = schema.get("type")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in ("integer", "number"):
        if not is_number or (kind == "integer" and value != int(value)):
            return [*found, f"{value!r} is no {kind}"]
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            found.append(f"{value!r} out of range")
        if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
            found.append(f"{value!r} out of range")
    elif kind is not None and not isinstance(value, kinds[kind]):
        return [*found, f"{value!r} is no {kind}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{value!r} is none of {schema['enum']}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{value!r} is not {schema['const']!r}")
    if isinstance(value, dict):
        found += object_problems(value, schema)
    if isinstance(value, list):
        items = schema.get("prefixItems") or [schema.get("items", {})] * len(value)
        found += [text for item, part in zip(value, items, strict=True) for text in problems(item, part)]
    for rule in schema.get("allOf", []):
        if not problems(value, rule["if"]):
            found += problems(value, rule["then"])
    return found


def object_problems(value: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    found = [f"{key} is missing" for key in schema.get("required", []) if key not in value]
    for key, item in value.items():
        part = schema.get("properties", {}).get(key, schema.get("additionalProperties", True))
        if part is False:
            found.append(f"{key} is unknown")
        elif part is not True:
            found += problems(item, part)
    return found


GOOD = [
    "behaviors: {W: {trainer_type: ppo, hyperparameters: {epsilon: 0.1, max_grad_norm: 0.5}, max_steps: 1.0e+7}}",
    "default_settings: {trainer_type: a2c, hyperparameters: {num_epoch: 1}}",
    "behaviors: {W: {hyperparameters: {epsilon: 0.1}}}",
    "behaviors: {W: {network_settings: {memory: null}, reward_signals: {extrinsic: {gamma: 0.9}}}}",
    "environment_parameters: {mass: 2, wind: {sampler_type: uniform}}",
    "environment_parameters: {mass: {curriculum: [{name: A, value: 1}]}}",
    "environment_parameters: {m: {sampler_type: multirangeuniform, sampler_parameters: {intervals: [[0, 1]]}}}",
    "env_settings: {env_path: Walker2d-v5, num_envs: 4, env_options: {anything: [1]}, env_args: [-a]}",
    "{}",
]
BAD = [
    "behaviours: {}",
    "behaviors: {W: {max_steps: many}}",
    "behaviors: {W: {max_steps: 0}}",
    "behaviors: {W: {trainer_type: pp}}",
    "behaviors: {W: {trainer_type: ppo, hyperparameters: {learning_rte: 1}}}",
    "behaviors: {W: {trainer_type: a2c, hyperparameters: {epsilon: 0.1}}}",
    "behaviors: {W: {trainer_type: sac, hyperparameters: {beta: 0.1}}}",
    "behaviors: {W: {reward_signals: {gail: {}}}}",
    "environment_parameters: {mass: heavy}",
    "environment_parameters: {mass: {sampler_type: normal}}",
    "env_settings: {base_port: 70000}",
    "debug: 3",
]


@pytest.mark.parametrize("text", GOOD)
def test_the_schema_accepts(text: str) -> None:
    assert problems(yaml.safe_load(text), SCHEMA) == []


@pytest.mark.parametrize("text", BAD)
def test_the_schema_refuses(text: str) -> None:
    assert problems(yaml.safe_load(text), SCHEMA)


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for path in (ROOT / "unity_configs").rglob("*.yaml")
        if path.parent.name not in ("experiments", "search")
    ),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_every_shipped_training_file_is_accepted(path: Path) -> None:
    settings = load_settings(path, ["env_settings.env_path=Any-v0"])  # some files leave it to --env
    assert settings.behaviors or settings.default_settings
    assert problems(yaml.safe_load(dump_settings(settings)), SCHEMA) == []
