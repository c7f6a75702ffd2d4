"""Curricula and samplers of ML-Agents 0.5 to 1.x, as entries of today's ``environment_parameters``.

Source: ML-Agents, docs of its options ``--curriculum`` and ``--sampler``. Their files became blocks of the training
file.
"""

from collections.abc import Mapping
from typing import Any

from gym_adapters.errors import UserError
from trainers.config.base import show

CRITERIA = ("measure", "min_lesson_length", "signal_smoothing")
INTERVALS = ("resampling-interval", "resampling_interval", "episode-length")
SAMPLER_TYPE = ("sampler-type", "sampler_type")
NEW_SAMPLERS = {"multirange_uniform": "multirangeuniform"}


def lessons(content: Mapping[str, Any], behavior: str | None, notes: list[str]) -> dict[str, dict[str, Any]]:
    """Return the curriculum of each parameter.

    Args:
        content: the curricula by behavior, or that of `behavior` alone, as the JSON files of early releases have it.
        behavior: the behavior whose curriculum the whole content is; None: it names the behaviors.
        notes: get a line for what has no counterpart.

    Raises:
        UserError: it is no such content.
    """
    curricula = content if behavior is None else {behavior: content}
    found: dict[str, dict[str, Any]] = {}
    for name, curriculum in _map(curricula, "the curricula").items():
        block = _map(curriculum, name)
        thresholds = block.get("thresholds", [])
        criteria = {key: block[key] for key in CRITERIA if key in block}
        for parameter, values in _map(block.get("parameters"), f"{name}.parameters").items():
            if (
                not isinstance(values, list)
                or not isinstance(thresholds, list)
                or len(values) != len(thresholds) + 1
            ):
                raise UserError(
                    f"{name}.parameters.{parameter}: expected one value more than there are thresholds "
                    f"({show(thresholds)}), got {show(values)}"
                )
            if parameter in found:
                notes.append(f"{parameter} has a curriculum of several behaviors; that of {name} is kept")
            ends: list[Any] = [
                {"completion_criteria": {**criteria, "behavior": name, "threshold": threshold}}
                for threshold in thresholds
            ]
            found[parameter] = {
                "curriculum": [
                    {"name": f"Lesson{index}", **end, "value": value}
                    for index, (value, end) in enumerate(zip(values, [*ends, {}], strict=True))
                ]
            }
    return found


def samplers(content: Mapping[str, Any], notes: list[str]) -> dict[str, dict[str, Any]]:
    """Return the sampler of each parameter. The arguments are those of `lessons`.

    Raises:
        UserError: it is no such content.
    """
    found = {}
    for parameter, block in _map(content, "the samplers").items():
        if parameter in INTERVALS:
            notes.append(
                f"{parameter}: parameters are now drawn anew for each episode; left out ({show(block)})"
            )
            continue
        given = dict(_map(block, parameter))
        kinds = [str(given.pop(key)) for key in SAMPLER_TYPE if key in given]
        if not kinds:
            raise UserError(f"{parameter}: expected the key sampler-type, got {', '.join(given) or 'no key'}")
        found[parameter] = {"sampler_type": NEW_SAMPLERS.get(kinds[0], kinds[0]), "sampler_parameters": given}
    return found


def _map(value: Any, where: str) -> Mapping[str, Any]:
    """Return a value that must be a map.

    Raises:
        UserError: it is none.
    """
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: expected a map, got {show(value)}")
    return value
