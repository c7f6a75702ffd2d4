"""The JSON Schema of the training file. Editors complete and check YAML with it."""

import json
from typing import Any

from pydantic import BaseModel

from trainers.config import catalogue
from trainers.config.environment_parameters import SAMPLERS
from trainers.config.network import encoder_names
from trainers.config.run import RunSettings

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def training_schema() -> dict[str, Any]:
    """Return the schema. Keys that ML-Agents does not have are marked ``extension: true``."""
    schema = RunSettings.model_json_schema()
    blocks = schema["$defs"]
    _add_what_is_listed(blocks)
    _allow_bare_values(schema)
    _drop_titles(schema)
    schema["$defs"] = dict(sorted(blocks.items()))
    return {"$schema": DIALECT, "title": "Training file", **schema}


def schema_text() -> str:
    """Return the text of ``unity_configs/schema.json``."""
    return json.dumps(training_schema(), indent=2) + "\n"


def _add_what_is_listed(blocks: dict[str, Any]) -> None:
    """Add the blocks of all algorithms and signals and the names of all encoders, those of other packages included.

    ``trainer_type`` determines the keys of ``hyperparameters``. Without it any keys are accepted, because
    ``trainer_type`` may stand in ``default_settings``.
    """
    algorithms = list(catalogue.algorithms())
    for algorithm in algorithms:
        _add_block(blocks, algorithm.settings)
    del blocks["AlgorithmSettings"]
    behavior = blocks["BehaviorSettings"]
    behavior["properties"]["trainer_type"]["enum"] = [algorithm.name for algorithm in algorithms]
    signals = blocks["RewardSignals"]
    signals["additionalProperties"] = False
    del blocks["RewardSignalSettings"]
    for signal in catalogue.signals():
        if signal.name not in signals["properties"]:
            block = _add_block(blocks, signal.settings)
            signals["properties"][signal.name] = {
                "anyOf": [{"$ref": f"#/$defs/{signal.settings.__name__}"}, {"type": "null"}],
                "default": None,
                "description": block.get("description", ""),
            }
    blocks["NetworkSettings"]["properties"]["vis_encode_type"]["enum"] = encoder_names()
    choice = behavior["properties"]["hyperparameters"]
    choice.pop("$ref", None)
    choice["type"] = "object"
    behavior["allOf"] = [
        {
            "if": {
                "properties": {"trainer_type": {"const": algorithm.name}},
                "required": ["trainer_type"],
            },
            "then": {"properties": {"hyperparameters": {"$ref": f"#/$defs/{algorithm.settings.__name__}"}}},
        }
        for algorithm in algorithms
    ]


def _add_block(blocks: dict[str, Any], settings: type[BaseModel]) -> dict[str, Any]:
    own = settings.model_json_schema()
    blocks.update(own.pop("$defs", {}))
    blocks[settings.__name__] = own
    return own


def _allow_bare_values(schema: dict[str, Any]) -> None:
    """Accept a number or a sampler in place of a curriculum, and a number in place of a sampler."""
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
    """Remove the titles that pydantic makes from the names of keys."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for child in node.values():
            _drop_titles(child)
    elif isinstance(node, list):
        for child in node:
            _drop_titles(child)
