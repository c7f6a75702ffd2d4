"""Metrics: what becomes of the values that are recorded between two summaries."""

import numpy as np
import pytest

from trainers.records.metrics import EPISODE_LENGTH, GROUP_REWARD, REWARD, REWARD_DEVIATION, Metrics

WAYS = ("AVERAGE", "MOST_RECENT", "SUM", "HISTOGRAM")
"""The ways in which Unity's `StatsRecorder` asks for its values to be combined."""


def test_what_an_environment_reports_is_combined_as_it_asks():
    metrics = Metrics()
    for values in ((1.0, 4.0), (2.0, 9.0)):
        metrics.add_reported({f"Game/{way}": [(value, way) for value in values] for way in WAYS})
    values, histograms, _ = metrics.summarise()
    assert values == {"Game/AVERAGE": 4.0, "Game/SUM": 16.0, "Game/MOST_RECENT": 9.0, "Game/HISTOGRAM": 4.0}
    assert histograms == {"Game/HISTOGRAM_hist": [1.0, 4.0, 2.0, 9.0]}
    assert metrics.summarise() == ({}, {}, []), "a summary starts afresh"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "tag",
    [
        REWARD,
        EPISODE_LENGTH,
        f"{REWARD}_hist",
        GROUP_REWARD,
        "Policy/Entropy",
        "Losses/Policy Loss",
        "Environment/Lesson Number/size",
        "Self-play/ELO",
        "step",
        "seconds",
    ],
)
def test_a_scene_changes_no_value_of_the_trainer_itself(tag, way):
    own, both = Metrics(), Metrics()
    for metrics in (own, both):
        metrics.standing = {"Environment/Lesson Number/size": 1.0}
        metrics.add("Policy/Entropy", 2.0)
        metrics.add_episodes(np.array([1.0, 3.0]), np.zeros(2), np.array([10, 30]))
    both.add_reported({tag: [(77.0, way)]})
    (values, histograms, _), (mixed, mixed_histograms, _) = own.summarise(), both.summarise()
    assert {key: value for key, value in mixed.items() if not key.startswith("Scene/")} == values
    assert {
        key: value for key, value in mixed_histograms.items() if not key.startswith("Scene/")
    } == histograms
    assert mixed[f"Scene/{tag}"] == 77.0


def test_groups_are_averaged_and_shown_as_a_distribution():
    metrics = Metrics()
    metrics.add_groups(np.array([5.0]))
    metrics.add_groups(np.array([2.0, 2.0]))
    values, histograms, _ = metrics.summarise()
    assert values == {GROUP_REWARD: 3.0}
    assert histograms == {f"{GROUP_REWARD}_hist": [5.0, 2.0, 2.0]}
    assert metrics.summarise() == ({}, {}, []), "a summary starts afresh"


def test_episodes_are_averaged_and_shown_as_a_distribution():
    metrics = Metrics()
    metrics.add_episodes(np.array([1.0, 3.0]), np.zeros(2), np.array([10, 30]))
    values, histograms, returns = metrics.summarise()
    assert values == {REWARD: 2.0, REWARD_DEVIATION: 1.0, EPISODE_LENGTH: 20.0}
    assert histograms == {f"{REWARD}_hist": [1.0, 3.0]}
    assert returns == [1.0, 3.0]
    assert metrics.recent_mean == pytest.approx(2.0), "the window of the best policy goes on"


def test_values_of_another_object_are_taken_over_once():
    metrics, figures = Metrics(), Metrics()
    metrics.add("Losses/Value Loss", 1.0)
    for value in (2.0, 6.0):
        figures.add("Losses/Value Loss", value)
    figures.add("Policy/Entropy", 0.5)
    for _ in range(2):
        metrics.absorb(figures)
    assert metrics.summarise()[0] == {"Losses/Value Loss": 3.0, "Policy/Entropy": 0.5}
