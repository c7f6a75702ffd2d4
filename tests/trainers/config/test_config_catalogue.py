"""Algorithms and reward signals by name: those of this package, and how those of other packages are read."""

from abc import ABC, abstractmethod
from importlib.metadata import EntryPoint
from typing import Any, Literal

import pytest
from pydantic import Field

from gym_adapters.errors import UserError
from tests.refusals import refused
from trainers.config import (
    AlgorithmSettings,
    BehaviorSettings,
    RewardSignals,
    RewardSignalSettings,
    catalogue,
    dump_settings,
    load_settings,
    plugins,
)
from trainers.config.base import Count
from trainers.config.catalogue import Listed


class BonusSettings(RewardSignalSettings):
    """The block of a reward signal that another package adds."""

    every: Count = Field(default=3, description="Decisions between two bonuses.")
    mode: Literal["early", "late"] = Field(default="early", description="When the bonus is paid.")


@pytest.fixture
def bonus(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Listed("bonus", BonusSettings, "package.module:Bonus")
    names, signal = catalogue.signal_names(), catalogue.signal
    monkeypatch.setattr(catalogue, "signal_names", lambda *_: [*names, "bonus"])
    monkeypatch.setattr(catalogue, "signal", lambda name: listed if name == "bonus" else signal(name))


def signals(**blocks: Any) -> RewardSignals:
    return load_settings({"behaviors": {"W": {"reward_signals": blocks}}}).behavior("W").reward_signals


@pytest.mark.parametrize("name", catalogue.algorithm_names())
def test_an_algorithm_that_can_be_trained_has_the_settings_of_its_class(name: str) -> None:
    listed = catalogue.algorithm(name)
    assert listed is not None
    assert listed.load().settings_class is listed.settings


@pytest.mark.parametrize("name", catalogue.signal_names())
def test_a_signal_that_can_be_used_has_the_settings_of_its_class(name: str) -> None:
    listed = catalogue.signal(name)
    assert listed is not None
    assert listed.load().settings_class is listed.settings


def test_a_broken_package_does_not_hide_the_mistakes_of_files_that_do_not_use_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {plugins.TRAINER_TYPE: ["broken"]}
    monkeypatch.setattr(plugins, "names", lambda group, _: names.get(group, []))
    monkeypatch.setattr(plugins, "load", lambda *_: object())
    for block, told in (
        ({"critic_bins": 9}, "trainer_type sac has it"),
        ({"lerning_rate": 1e-3}, "unknown key; did you mean learning_rate"),
    ):
        with pytest.raises(UserError, match=told):
            load_settings({"behaviors": {"W": {"trainer_type": "ppo", "hyperparameters": block}}})
    with pytest.raises(UserError, match="broken: settings_class"):
        load_settings({"behaviors": {"W": {"trainer_type": "broken"}}})


def test_every_block_of_a_signal_is_listed() -> None:
    assert set(RewardSignals.model_fields) <= set(catalogue.signal_names())


def test_an_unknown_name_is_none() -> None:
    assert catalogue.algorithm("pp0") is None
    assert catalogue.signal("extrinsc") is None


@pytest.mark.parametrize("place", ["no_such_module:Learner", "json:Learner"])
def test_a_package_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    group = plugins.TRAINER_TYPE
    monkeypatch.setattr(plugins, "entry_points", lambda **_: [EntryPoint("broken", place, group)])
    with pytest.raises(
        UserError, match=rf"broken: {place} cannot be imported \(.*uninstall the package that adds it"
    ):
        plugins.load(group, "broken")


@pytest.mark.parametrize(
    ("find", "base"),
    [(catalogue.algorithm, "AlgorithmSettings"), (catalogue.signal, "RewardSignalSettings")],
)
def test_a_class_without_settings_is_refused(monkeypatch: pytest.MonkeyPatch, find: Any, base: str) -> None:
    class Odd:
        settings_class = int

    monkeypatch.setattr(plugins, "names", lambda *_: ("odd",))
    monkeypatch.setattr(plugins, "load", lambda *_: Odd)
    with pytest.raises(
        UserError, match=rf"odd: settings_class of .* expected a subclass of trainers\.config\.{base}"
    ):
        find("odd")


@pytest.mark.parametrize(
    ("find", "settings"), [(catalogue.algorithm, AlgorithmSettings), (catalogue.signal, RewardSignalSettings)]
)
def test_a_class_that_lacks_methods_is_refused(
    monkeypatch: pytest.MonkeyPatch, find: Any, settings: type
) -> None:
    class Unfinished(ABC):
        settings_class = settings

        @abstractmethod
        def update(self) -> None: ...

        @abstractmethod
        def losses(self) -> None: ...

    monkeypatch.setattr(plugins, "names", lambda *_: ("unfinished",))
    monkeypatch.setattr(plugins, "load", lambda *_: Unfinished)
    with pytest.raises(UserError, match=r"unfinished: .*Unfinished does not define losses and update; mend"):
        find("unfinished")


@pytest.mark.usefixtures("bonus")
def test_an_added_signal_is_read_by_its_own_settings() -> None:
    read = signals(extrinsic={}, bonus={"every": "1e2", "gamma": 0.5})
    assert read.active()["bonus"] == BonusSettings(every=100, gamma=0.5)
    assert list(read.active()) == ["extrinsic", "bonus"]


@pytest.mark.usefixtures("bonus")
def test_an_added_signal_is_written_with_all_its_keys() -> None:
    content = {"behaviors": {"W": {"reward_signals": {"bonus": {"mode": "late"}}}}}
    settings = load_settings(content)
    assert "mode: late" in dump_settings(settings)
    assert load_settings(dump_settings(settings)) == settings


@pytest.mark.usefixtures("bonus")
def test_an_added_signal_that_is_null_is_off() -> None:
    assert list(signals(extrinsic={}, bonus=None).active()) == ["extrinsic"]
    with pytest.raises(UserError, match="needs at least one signal"):
        signals(bonus=None)


@pytest.mark.usefixtures("bonus")
@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"every": 0}, ".every: expected a whole number >= 1, got 0"),
        ({"evry": 1}, ".evry: unknown key; did you mean every?"),
        ({"mode": "never"}, ".mode: expected 'early' or 'late', got 'never'"),
        ({"strength": "much"}, ".strength: expected a number >= 0, got 'much'"),
        (
            {"network_settings": {"memory": 3}},
            ".network_settings.memory: expected a map of keys and values, got 3",
        ),
        (3, ": expected a map of keys and values, got 3"),
    ],
)
def test_an_error_in_an_added_signal_names_its_key(block: Any, problem: str) -> None:
    assert (
        refused(signals, extrinsic={}, bonus=block) == f"settings: behaviors.W.reward_signals.bonus{problem}"
    )


@pytest.mark.usefixtures("bonus")
def test_a_misspelt_added_signal_is_suggested() -> None:
    with pytest.raises(UserError, match=r"reward_signals\.bonsu: unknown key; did you mean bonus\?"):
        signals(bonsu={})


@pytest.mark.parametrize("given", ["ppoo", "PPO", "", "3"])
def test_a_misspelt_trainer_type_is_the_one_problem(given: str) -> None:
    """Its other keys cannot be judged without it, and do not add further problems."""
    known = "'ppo', 'sac', 'poca', 'mappo', 'a2c', 'dqn' or 'pqn'"
    assert (
        refused(
            load_settings,
            {"behaviors": {"W": {"trainer_type": given, "hyperparameters": {"no_such_key": 1}}}},
        )
        == f"settings: behaviors.W.trainer_type: expected {known}, got '{given}'"
    )


def test_a_misspelt_trainer_type_beside_default_settings() -> None:
    content = {"default_settings": {"trainer_type": "a2c"}, "behaviors": {"W": {"trainer_type": "a3c"}}}
    with pytest.raises(UserError, match=r"^settings: behaviors\.W\.trainer_type: expected .* got 'a3c'$"):
        load_settings(content)


def test_the_default_algorithm_can_be_trained() -> None:
    assert BehaviorSettings().trainer_type in catalogue.algorithm_names()
