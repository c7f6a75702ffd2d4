"""Counts of agent steps that the option `--scale-batch` multiplies by the number of ranks."""

from typing import Any

import pytest
from pydantic import Field

from trainers.config import (
    ActorCriticSettings,
    Count,
    NonNegative,
    RewardSignalSettings,
    Rows,
    Total,
    catalogue,
    extension,
    load_settings,
)
from trainers.config.base import RowsOrZero
from trainers.config.behavior import BehaviorSettings
from trainers.config.catalogue import Listed
from trainers.config.scaling import scaled


class AddedSettings(ActorCriticSettings):
    """The hyperparameters of an algorithm of another package."""

    batch_size: Rows = Field(
        default=500, description="It has another default here, and is a total all the same."
    )
    steps_between_resets: Total[Count | None] = extension(10, description="Agent steps.")
    never: Total[Count | None] = extension(None, description="Agent steps.")
    share: Total[NonNegative] = extension(0.5, description="Agent steps.")
    models: Count = extension(5, description="No count of agent steps.")


class BonusSettings(RewardSignalSettings):
    """The block of a reward signal of another package."""

    every: Total[RowsOrZero] = extension(3, description="Decisions of all agents between two bonuses.")


def behavior(**keys: Any) -> BehaviorSettings:
    return load_settings({"behaviors": {"B": keys}}).behavior("B")


@pytest.mark.parametrize("kind", catalogue.algorithm_names())
def test_scaled_counts_are_those_of_each_rank(kind: str) -> None:
    settings = behavior(trainer_type=kind, self_play={"save_steps": 10}, max_steps=1000)
    by_four = scaled(settings, 4)
    assert by_four.max_steps == 4000
    assert by_four.self_play is not None
    assert (by_four.self_play.save_steps, by_four.self_play.team_change) == (40, 200)
    for name in ("batch_size", "buffer_size", "steps_per_update", "buffer_init_steps"):
        if hasattr(settings.hyperparameters, name):
            assert getattr(by_four.hyperparameters, name) == 4 * getattr(settings.hyperparameters, name)
    for name in ("learning_rate", "gamma", "lambd", "num_epoch", "tau"):
        assert getattr(by_four.hyperparameters, name, 0) == getattr(settings.hyperparameters, name, 0)
    assert scaled(settings, 1) == settings


def test_scaled_counts_of_imitation_are_those_of_each_rank() -> None:
    counts = {"steps": 500, "samples_per_update": 64, "batch_size": 16}
    cloning = behavior(behavioral_cloning={"demo_path": "expert.demo", "num_epoch": 2, **counts})
    by_four = scaled(cloning, 4).behavioral_cloning
    assert by_four is not None
    assert cloning.behavioral_cloning is not None
    assert by_four.model_dump() == {
        **cloning.behavioral_cloning.model_dump(),
        **{name: 4 * count for name, count in counts.items()},
    }
    nothing = {"demo_path": "expert.demo", "steps": 0, "samples_per_update": 0, "batch_size": None}
    settings = behavior(behavioral_cloning=nothing)
    assert scaled(settings, 4).behavioral_cloning == settings.behavioral_cloning


def test_the_counts_of_an_added_algorithm_are_scaled_too() -> None:
    own = AddedSettings()
    by_four = scaled(own, 4)
    assert by_four.model_dump() == {
        **own.model_dump(),
        "batch_size": 2000,
        "buffer_size": 4 * own.buffer_size,
        "steps_between_resets": 40,
        "share": 2.0,
    }
    whole = behavior().model_copy(update={"hyperparameters": own})
    assert scaled(whole, 4).hyperparameters == by_four


def test_the_counts_of_an_added_reward_signal_are_scaled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    listed, names, signal = Listed("bonus", BonusSettings, "a:B"), catalogue.signal_names(), catalogue.signal
    monkeypatch.setattr(catalogue, "signal_names", lambda: [*names, "bonus"])
    monkeypatch.setattr(catalogue, "signal", lambda name: listed if name == "bonus" else signal(name))
    settings = behavior(reward_signals={"extrinsic": {}, "bonus": {"every": 7, "gamma": 0.5}})
    found = scaled(settings, 4).reward_signals.active()
    assert found == {**settings.reward_signals.active(), "bonus": BonusSettings(every=28, gamma=0.5)}
