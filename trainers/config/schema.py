"""The JSON Schema of the training file, for editors that complete and check YAML."""

import json
from typing import Any

from trainers.config.environment_parameters import SAMPLERS
from trainers.config.hyperparameters import HYPERPARAMETERS
from trainers.config.run import RunSettings

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def training_schema() -> dict[str, Any]:
    """Return the schema: ``hyperparameters`` by ``trainer_type``, and ``extension: true`` at our own keys."""
    schema = RunSettings.model_json_schema()
    blocks = schema["$defs"]
    _choose_hyperparameters(blocks["BehaviorSettings"])
    _allow_bare_values(schema)
    _drop_titles(schema)
    return {"$schema": DIALECT, "title": "Training file", **schema}


def schema_text() -> str:
    """Return the schema as the text of ``unity_configs/schema.json``."""
    return json.dumps(training_schema(), indent=2) + "\n"


def _choose_hyperparameters(behavior: dict[str, Any]) -> None:
    """Make ``trainer_type`` choose the keys of ``hyperparameters``; without one, ``default_settings`` may."""
    choice = behavior["properties"]["hyperparameters"]
    del choice["anyOf"]
    choice["type"] = "object"
    behavior["allOf"] = [
        {
            "if": {"properties": {"trainer_type": {"const": name}}, "required": ["trainer_type"]},
            "then": {"properties": {"hyperparameters": {"$ref": f"#/$defs/{settings.__name__}"}}},
        }
        for name, settings in HYPERPARAMETERS.items()
    ]


def _allow_bare_values(schema: dict[str, Any]) -> None:
    """Let a number or a sampler stand where the settings hold a curriculum or a sampler."""
    blocks = schema["$defs"]
    samplers = [{"$ref": f"#/$defs/{settings.__name__}"} for settings in SAMPLERS.values()]
    blocks["Value"] = {"description": "A number or a sampler.", "anyOf": [{"type": "number"}, *samplers]}
    value = blocks["Lesson"]["properties"]["value"]
    del value["anyOf"]
    value["$ref"] = "#/$defs/Value"
    parameters = schema["properties"]["environment_parameters"]["anyOf"][0]
    parameters["additionalProperties"] = {
        "anyOf": [{"$ref": "#/$defs/Value"}, {"$ref": "#/$defs/EnvironmentParameter"}]
    }


def _drop_titles(node: Any) -> None:
    """Remove the titles pydantic makes from names; they only repeat the keys."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for child in node.values():
            _drop_titles(child)
    elif isinstance(node, list):
        for child in node:
            _drop_titles(child)
