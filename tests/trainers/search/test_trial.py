"""Real trainings of a trial's seeds, each in a process of its own."""

import statistics
from pathlib import Path

import pytest
from command_tools import SMALL

from trainers.config import load_settings
from trainers.records.metrics import REWARD
from trainers.records.reports import read_progress
from trainers.search.trial import TrialError, train_seeds

SETTINGS = {
    "behaviors": {"CartPole-v1": SMALL},
    "env_settings": {"env_path": "CartPole-v1"},
}


def test_each_summary_is_reported_as_the_mean_of_the_seeds(tmp_path: Path):
    reports: dict[int, float] = {}
    values = train_seeds(
        load_settings(SETTINGS), (3, 4), tmp_path / "a", "best", None, lambda *pair: reports.update([pair])
    )
    curves = []
    for seed in (3, 4):
        rows = read_progress(tmp_path / "a" / f"seed{seed}" / "CartPole-v1" / "progress.csv")[0]
        curves.append([float(row[REWARD]) for row in rows])
    assert list(reports.values()) == [
        pytest.approx(statistics.fmean(pair)) for pair in zip(*curves, strict=True)
    ]
    assert values == {seed: max(curve) for seed, curve in zip((3, 4), curves, strict=True)}
    assert curves[0] != curves[1]


def test_what_the_report_raises_ends_the_trainings(tmp_path: Path):
    def report(summary: int, value: float) -> None:
        raise KeyError(summary)

    settings = load_settings(SETTINGS, ["behaviors.*.max_steps=100000000"])
    with pytest.raises(KeyError):
        train_seeds(settings, (0,), tmp_path / "a", "final", None, report)
    assert "saved" in (tmp_path / "a" / "seed0.log").read_text() or any((tmp_path / "a").glob("seed0/*/*.pt"))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("behaviors.*.hyperparameters.learning_rate=1e30", "seed 0: exit status 2; .*finite"),
        ("env_settings.env_options={no_such_option: 1}", "seed 0: exit status 2; .*no_such_option"),
    ],
)
def test_a_training_that_fails_says_why(tmp_path: Path, override: str, said: str):
    settings = load_settings(SETTINGS, [override])
    with pytest.raises(TrialError, match=said):
        train_seeds(settings, (0,), tmp_path / "a", "final", None, lambda *pair: None)
