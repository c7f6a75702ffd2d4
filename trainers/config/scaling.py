"""Counts of agent steps of a training file, multiplied by the number of ranks."""

from pydantic import BaseModel

from trainers.config.behavior import BehaviorSettings

COUNTS = frozenset(
    {
        "batch_size",
        "buffer_size",
        "buffer_init_steps",
        "steps_per_update",
        "reward_signal_steps_per_update",
        "target_update_interval",
        "exploration_steps",
        "exploration_raise_interval",
        "exploration_raise_steps",
        "noise_correlation_steps",
        "max_steps",
        "summary_freq",
        "checkpoint_interval",
        "evaluation_freq",
        "save_steps",
        "team_change",
        "swap_steps",
        "steps",
        "samples_per_update",
    }
)
"""The keys that count what all agents of a run do together, or what all ranks learn from together."""


def scaled(settings: BehaviorSettings, ranks: int) -> BehaviorSettings:
    """Return a behavior's settings with all counts times the number of ranks (option `--scale-batch`)."""
    blocks = {
        name: block.model_copy(update=_multiplied(block, ranks))
        for name in ("hyperparameters", "self_play", "behavioral_cloning")
        if (block := getattr(settings, name)) is not None
    }
    return settings.model_copy(update={**_multiplied(settings, ranks), **blocks})


def _multiplied(block: BaseModel, factor: int) -> dict[str, int | float]:
    values = {name: getattr(block, name) for name in type(block).model_fields if name in COUNTS}
    return {name: value * factor for name, value in values.items() if value is not None}
