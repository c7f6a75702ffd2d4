"""Recognises training files of earlier ML-Agents releases, whose keys stood in other places."""

from collections.abc import Mapping
from typing import Any

_MOVED = {
    "curriculum": "its lessons stand under environment_parameters, at the parameter that they change",
    "parameter_randomization": "its samplers stand under environment_parameters, at the parameter that they draw",
}
"""Blocks of the whole file that have another place now, and where."""

_FLAT = ("trainer", "use_recurrent", "memory_size", "sequence_length", "num_epoch", "num_layers")
"""Keys of a behavior that stand deeper now, or have another name."""


def old_file(content: Mapping[str, Any]) -> str:
    """Return how to bring a training file of an earlier ML-Agents release up to date; empty for any other file."""
    behaviors = content.get("behaviors")
    listed = behaviors if isinstance(behaviors, Mapping) else {}
    brains = {name: block for name, block in content.items() if name not in ("behaviors", "default_settings")}
    for name, block in {**brains, **listed}.items():
        flat = [key for key in _FLAT if isinstance(block, Mapping) and key in block]
        if flat:
            where = name if name in brains else f"behaviors.{name}"
            return (
                f"{where}.{flat[0]}: a training file of an earlier ML-Agents release; now each behavior stands under "
                "behaviors, with trainer_type in place of trainer, and with hyperparameters, network_settings and "
                "reward_signals as blocks of their own"
            )
    for key, place in _MOVED.items():
        if key in content:
            return f"{key}: a block of an earlier ML-Agents release; now {place}"
    return ""


OLD_TAGS = (
    "it holds Python objects, as configuration.yaml did in earlier ML-Agents releases; take the training file that "
    "the run was started with"
)
