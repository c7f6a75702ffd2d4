"""Writing settings as YAML, complete or for mlagents-learn."""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from trainers.config.network import ENCODERS
from trainers.config.run import RunSettings

_THEIR_TYPES = ("ppo", "sac", "poca")
_THEIR_PLUGINS = ("a2c", "dqn")
"""Types that a package of examples in ML-Agents' repository adds."""
_THEIR_MEASURES = ("reward", "progress")

_ENVIRONMENT_ID = re.compile(
    r"([\w.-]+:)?([\w-]+/)*[\w.-]+-v\d+"  # Walker2d-v5
    r"|[A-Za-z_][\w.]+:[^\\]+"  # package:games/Chess
    r"|[A-Za-z_][\w.]*/[A-Za-z_]\w*_v\d+"  # mpe2/simple_spread_v3, of PettingZoo
)


def dump_settings(settings: RunSettings, for_mlagents: bool = False) -> str:
    """Return the settings as YAML with all defaults. ``load_settings`` of that text returns equal settings.

    Args:
        settings: The settings to write.
        for_mlagents: Write only what mlagents-learn 1.1.0 accepts. This leaves out extension and deprecated keys,
            reward signals of other packages, and null where mlagents-learn does not accept it. An adaptive learning
            rate becomes linear, an encoder of another package becomes simple. If ``env_path`` is the id of a Gymnasium
            or PettingZoo environment and no file of that name exists, it is left out together with ``num_envs``,
            because mlagents-learn would start it as a player. What it cannot do at all stays; see ``refused_there``.
    """
    tree = _for_mlagents(settings) if for_mlagents else settings.model_dump(mode="json")
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)


def as_yaml(value: Any) -> str:
    """Return a value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=math.inf).removesuffix("...\n").strip()


def refused_there(settings: RunSettings) -> Iterator[str]:
    """Yield a line for each value that mlagents-learn 1.1.0 refuses and nothing can replace."""
    for path, behavior in settings.behavior_blocks.items():
        if behavior.trainer_type not in _THEIR_TYPES:
            plugin = " without a plugin" if behavior.trainer_type in _THEIR_PLUGINS else ""
            yield f"{path}.trainer_type: mlagents-learn 1.1.0 has no {behavior.trainer_type}{plugin}"
    for name, parameter in (settings.environment_parameters or {}).items():
        for lesson in parameter.curriculum:
            criteria = lesson.completion_criteria
            if criteria is not None and criteria.measure not in _THEIR_MEASURES:
                path = f"environment_parameters.{name}.curriculum, lesson {lesson.name}"
                yield f"{path}: mlagents-learn 1.1.0 does not measure {criteria.measure}; choose reward or progress"


def _for_mlagents(settings: RunSettings) -> dict[str, Any]:
    tree: dict[str, Any] = _plain(settings)
    env = tree["env_settings"]
    path = env["env_path"]
    if path is not None and _ENVIRONMENT_ID.fullmatch(path) and not Path(path).exists():
        del env["env_path"], env["num_envs"]
    for block, key in ((tree["checkpoint_settings"], "run_id"), (tree, "default_settings")):
        if block[key] is None:
            del block[key]
    if tree["environment_parameters"] is None:
        del tree["environment_parameters"]
    for behavior in [*tree["behaviors"].values(), tree.get("default_settings", {})]:
        hyperparameters = behavior.get("hyperparameters", {})
        if hyperparameters.get("learning_rate_schedule") == "adaptive":
            hyperparameters["learning_rate_schedule"] = "linear"
        network = behavior.get("network_settings", {})
        if network.get("vis_encode_type", "simple") not in ENCODERS:
            network["vis_encode_type"] = "simple"
        signals = behavior.get("reward_signals", {})
        for name in [name for name, signal in signals.items() if signal is None]:
            del signals[name]
    return tree


def _plain(value: Any) -> Any:
    """Return settings as maps, lists and scalars, without extension and deprecated keys."""
    if isinstance(value, BaseModel):
        return {
            key: _plain(getattr(value, key))
            for key, field in type(value).model_fields.items()
            if not set(_marks(field.json_schema_extra)) & {"extension", "deprecated"}
        }
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _marks(extra: Any) -> Mapping[str, Any]:
    return extra if isinstance(extra, Mapping) else {}
