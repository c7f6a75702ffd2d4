"""Real trainings of a trial's seeds, each in a process of its own."""

import statistics
from pathlib import Path

import pytest
from command_tools import SMALL

from trainers.config import load_settings
from trainers.records.metrics import ELO, REWARD
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


def test_self_play_is_measured_by_its_rating(tmp_path: Path):
    small = {
        "trainer_type": "ppo",
        "max_steps": 600,
        "summary_freq": 200,
        "self_play": {"save_steps": 100, "team_change": 200, "swap_steps": 50},
        "hyperparameters": {"batch_size": 32, "buffer_size": 64},
        "network_settings": {"hidden_units": 8, "num_layers": 1},
    }
    settings = load_settings(
        {
            "behaviors": {"tictactoe_v3": small},
            "env_settings": {"env_path": "pettingzoo.classic/tictactoe_v3", "num_envs": 4},
        }
    )
    reports: list[float] = []
    values = train_seeds(settings, (0,), tmp_path, "best", None, lambda number, value: reports.append(value))
    rows = read_progress(tmp_path / "seed0" / "tictactoe_v3" / "progress.csv")[0]
    ratings = [float(row[ELO]) for row in rows if row[ELO]]
    assert ratings
    assert values == {0: max(ratings)}
    assert set(reports) <= set(ratings)


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
