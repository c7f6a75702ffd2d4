"""Studies: what is counted, pruned and refused. Trainings are formulas here; `test_trial.py` has real ones."""

import os
from pathlib import Path

import pytest

from tests.needs import OPTUNA
from tests.trainers.search.search_tools import (
    LAYERS,
    OUT,
    RATE,
    run,
    space_without_failures,
    states,
    trials,
    write_space,
)
from trainers.config import load_settings


@OPTUNA
def test_the_best_trial_becomes_a_training_file_though_others_fail(
    tmp_path: Path, at_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write_space(tmp_path), "--trials", 12) == 0
    rows = trials()
    assert [int(row["trial"]) for row in rows] == list(range(12))
    complete = [row for row in rows if row["state"] == "complete"]
    best = max(complete, key=lambda row: float(row["value"]))
    behavior = load_settings(OUT / "best.yaml").behaviors["CartPole-v1"]
    assert behavior.hyperparameters.learning_rate == float(best[RATE])
    assert behavior.network_settings.num_layers == int(best[LAYERS])
    for row in complete:
        expected = [-abs(float(row[RATE]) - 1e-3) - int(row[LAYERS]) + 0.1 * seed for seed in (0, 1)]
        assert [float(row["seed 0"]), float(row["seed 1"])] == pytest.approx(expected, rel=1e-6)
        assert float(row["value"]) == pytest.approx(sum(expected) / 2, rel=1e-6)
    assert "train with the best settings" in capsys.readouterr().out
    failed = [row for row in rows if row[LAYERS] == "3"]
    assert all(
        (row["state"], row["reason"], row["value"]) == ("failed", "seed 0: three layers", "")
        for row in failed
    )
    assert len(complete) + len(failed) == 12


@OPTUNA
def test_if_all_trials_fail_the_last_reason_is_told(
    tmp_path: Path, at_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_space(tmp_path)
    path.write_text(path.read_text().replace("[1, 2, 3]", "[3]"))
    assert run(path, "--trials", 2) == 2
    error = capsys.readouterr().err
    assert error == "error: no trial is complete; the last one that failed says: seed 0: three layers\n"
    assert not (OUT / "best.yaml").exists()


@OPTUNA
def test_the_same_command_goes_on_and_more_trials_may_follow(tmp_path: Path, at_once: None) -> None:
    path = space_without_failures(tmp_path, "sampler: random")
    for count in (3, 3, 5):
        assert run(path, "--trials", count) == 0
        assert len(trials()) == count


@OPTUNA
@pytest.mark.parametrize("name", ["all trials, ü #1 100%41 a@b:c", "what?", "{1}"])
def test_a_folder_of_any_name_has_its_database_in_it(name: str, tmp_path: Path, at_once: None) -> None:
    if os.name == "nt" and not set("?:").isdisjoint(name):
        pytest.skip("Windows has no such names")
    space, place = space_without_failures(tmp_path), tmp_path / "searches"
    for _ in range(2):
        assert run(space, "--trials", 2, "--out", place / name) == 0
    assert states(place / name) == {"complete": 2}
    assert (place / name / "study.db").is_file()
    assert [path.name for path in place.iterdir()] == [name]


@OPTUNA
def test_another_search_under_the_same_name_is_refused(
    tmp_path: Path, at_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_space(tmp_path)
    assert run(path, "--trials", 1, "--set", "behaviors.*.time_horizon=32") in (0, 2)
    capsys.readouterr()
    assert run(path, "--trials", 2) == 2
    said = capsys.readouterr().err
    key = "settings.behaviors.CartPole-v1.time_horizon"
    assert f"--study space: was begun with another search: {key} is 32 there, 64 now" in said
    assert run(path, "--trials", 2, "--study", "other", "--storage", f"sqlite:///{OUT / 'study.db'}") in (
        0,
        2,
    )
    assert len(trials(Path("searches", "other"))) == 2


@OPTUNA
def test_a_trial_below_the_median_ends_early(tmp_path: Path, at_once: None) -> None:
    path = space_without_failures(tmp_path, "pruner: {after: 2, first_trials: 4}\nsampler: random")
    assert run(path, "--trials", 20) == 0
    complete: list[float] = []
    for row in trials():
        if row["state"] == "complete":
            complete.append(float(row["value"]))
        else:
            assert row["state"] == "ended early"
            assert len(complete) >= 4
            assert float(row["value"]) < sorted(complete)[len(complete) // 2]
    assert states()["ended early"] > 0


@OPTUNA
@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("study.db", "Could not parse SQLAlchemy URL"),
        ("sqlite:////no/such/folder/study.db", "unable to open database file"),
        ("postgresql://me:secret@127.0.0.1:9/none", "onnection"),
        ("nothing://x", "Can't load plugin"),
    ],
)
def test_a_storage_that_cannot_be_used_is_refused(
    tmp_path: Path, storage: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write_space(tmp_path), "--storage", storage) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --storage ")
    assert said in error
    assert "secret" not in error
    assert error.count("\n") == 1


def test_without_optuna_the_command_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(write_space(tmp_path)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: a search needs optuna, which is not installed; run: ")
    assert said.endswith("-m pip install optuna\n")


@OPTUNA
def test_under_torchrun_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert run(write_space(tmp_path)) == 2
    assert "runs without torchrun" in capsys.readouterr().err


@OPTUNA
def test_an_unknown_environment_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(write_space(tmp_path), "--env", "CartPool-v1") == 2
    assert "CartPool" in capsys.readouterr().err
    assert not OUT.exists()
