"""Whole runs that imitate: their figures, resuming them, and algorithms that cannot."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_tools import Stopwatch, options, read_events, read_progress, train_small
from scripted_env import make_spec

from gym_adapters.errors import UserError
from tests.refusals import refused
from tests.shown import episode, write_shown
from trainers import train
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.records.checkpoint import load_state

TAGS = {
    "Losses/Pretraining Loss",
    "Losses/GAIL Loss",
    "Losses/GAIL KL Loss",
    "Policy/GAIL Beta",
    "Policy/GAIL Policy Estimate",
    "Policy/GAIL Expert Estimate",
    "Policy/GAIL Grad Mag Loss",
    "Policy/Gail Reward",
    "Policy/Gail Value Estimate",
}


@pytest.fixture
def blocks(tmp_path: Path) -> dict[str, Any]:
    """The blocks of a behavior that clones and has GAIL, with demonstrations for both."""
    rng = np.random.default_rng(0)
    spec = make_spec((4,), continuous=1, branches=(2,))
    seen = rng.standard_normal((201, 4))
    run = episode(spec, [seen], rng.uniform(-1, 1, (200, 1)), rng.integers(0, 2, (200, 1)))
    demo = write_shown(tmp_path / "shown.demo", spec, run, name="Task")
    gail = {
        "demo_path": str(demo),
        "use_actions": True,
        "use_vail": True,
        "network_settings": {"hidden_units": 8},
    }
    return {
        "reward_signals": {"extrinsic": {}, "gail": gail},
        "behavioral_cloning": {"demo_path": str(demo), "steps": 2500, "batch_size": 64, "num_epoch": 1},
        "max_steps": 1500,
    }


def test_a_run_reports_its_figures_and_goes_on_where_it_was(tmp_path: Path, blocks: dict[str, Any]) -> None:
    train_small(tmp_path, behavior=blocks)
    run = tmp_path / "first"
    before = load_state(run / "Task" / "checkpoint.pt")
    assert set(read_events(run).Tags()["scalars"]) >= TAGS
    assert before["behavioral_cloning"]["step"] > 0
    longer = {**blocks, "max_steps": 4000}
    train_small(tmp_path, behavior=longer, resume=True)
    after = load_state(run / "Task" / "checkpoint.pt")
    assert after["behavioral_cloning"]["step"] > before["behavioral_cloning"]["step"]
    assert (
        after["reward_signals"]["gail"]["generator"].ne(before["reward_signals"]["gail"]["generator"]).any()
    )
    losses = [float(row["Losses/Pretraining Loss"]) for row in read_progress(run)]
    assert losses[0] > 0.0
    assert losses[-1] == 0.0, "the schedule has ended"


def test_watching_a_run_that_imitated_needs_no_demonstrations(tmp_path: Path, blocks: dict[str, Any]) -> None:
    train_small(tmp_path, behavior={**blocks, "max_steps": 800})
    Path(blocks["behavioral_cloning"]["demo_path"]).unlink()
    watched = options(tmp_path, behavior=blocks, resume=True, inference=True)
    before = (tmp_path / "first" / "Task" / "checkpoint.pt").read_bytes()
    assert train(Stopwatch(stop_after=50).env(), watched)["Task"].steps >= 800
    assert (tmp_path / "first" / "Task" / "checkpoint.pt").read_bytes() == before
    with pytest.raises(UserError, match=r"shown\.demo"):
        train_small(tmp_path, behavior=blocks, resume=True)


def test_all_demonstrations_that_are_not_there_are_told_by_their_keys(tmp_path: Path) -> None:
    def never(_: object) -> Any:
        raise AssertionError("no environment is started")

    behavior = {
        "behavioral_cloning": {"demo_path": str(tmp_path / "a.demo"), "steps": 1},
        "reward_signals": {"gail": {"demo_path": str(tmp_path)}},
    }
    assert refused(train, never, options(tmp_path, behavior=behavior)).splitlines() == [
        "2 mistakes:",
        f"  behaviors.Task.behavioral_cloning.demo_path: {tmp_path / 'a.demo'}: no such file or folder; give a .demo "
        "file or a folder of them",
        f"  behaviors.Task.reward_signals.gail.demo_path: {tmp_path}: holds no .demo file; give a .demo file or a "
        "folder of them",
    ]


def test_a_run_begins_to_imitate_when_it_is_resumed_and_ends(tmp_path: Path, blocks: dict[str, Any]) -> None:
    cloning = {"behavioral_cloning": blocks["behavioral_cloning"]}
    train_small(tmp_path, behavior={"max_steps": 800})
    train_small(tmp_path, behavior={**cloning, "max_steps": 1600}, resume=True)
    assert load_state(tmp_path / "first" / "Task" / "checkpoint.pt")["behavioral_cloning"]["step"] > 0
    train_small(tmp_path, behavior={"max_steps": 2400}, resume=True)
    assert "behavioral_cloning" not in load_state(tmp_path / "first" / "Task" / "checkpoint.pt")


def test_an_algorithm_that_does_not_imitate_says_so(
    tmp_path: Path, blocks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OnPolicyLearner, "make_cloning", lambda self: None)
    with pytest.raises(
        UserError, match="behavior Task: trainer_type ppo does not support behavioral_cloning"
    ):
        train_small(tmp_path, behavior=blocks)
