"""Whole runs whose updates have a thread of their own: they end, stop, fail and go on as others do."""

import csv
import json
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch
from duels import arena
from duels import options as duel
from learner_tools import assert_same
from run_tools import OPTIONS, Stopwatch, failing, options, read_progress, train_small
from test_several_behaviors import Beside

from trainers import UserError, load_policy, train
from trainers.algorithms.ppo import PPO
from trainers.algorithms.threaded import ThreadedUpdates
from trainers.config import load_settings
from trainers.optim.collective import Alone, JointError
from trainers.records.checkpoint import load_state, read_tensors
from trainers.training.chronicle import SAVED
from trainers.training.learners import check_threads

ROLLOUT: dict[str, Any] = {"batch_size": 64, "buffer_size": 256}
REPLAY: dict[str, Any] = {
    "batch_size": 16,
    "buffer_size": 2000,
    "buffer_init_steps": 64,
    "steps_per_update": 8,
}
KINDS = {
    "ppo": ROLLOUT,
    "a2c": ROLLOUT,
    "poca": ROLLOUT,
    "mappo": ROLLOUT,
    "dqn": REPLAY,
    "sac": REPLAY,
    "pqn": ROLLOUT,
}

SMALL = {"hidden_units": 16, "num_layers": 1, "normalize": True}


def threaded(
    results: Path,
    run_id: str = "first",
    /,
    kind: str = "ppo",
    steps: int = 2000,
    network: dict[str, Any] | None = None,
    **checkpoint,
) -> dict:
    keys: dict[str, Any] = {
        "trainer_type": kind,
        "hyperparameters": KINDS[kind],
        "max_steps": steps,
        "threaded": True,
    }
    if network is not None:
        keys["network_settings"] = network
    return options(results, run_id, behavior=keys, **checkpoint)


def curves(run: Path, behavior: str = "Task") -> list[dict[str, str]]:
    """The summaries without what depends on the clock."""
    rows = read_progress(run, behavior)
    return [{k: v for k, v in row.items() if k not in ("seconds", "Speed/Steps per Second")} for row in rows]


def state_of(run: Path, behavior: str = "Task") -> dict:
    return load_state(run / behavior / "checkpoint.pt")


@pytest.mark.parametrize("kind", KINDS)
def test_every_algorithm_runs_and_two_runs_are_the_same(kind: str, tmp_path: Path) -> None:
    for run_id in ("first", "second"):
        env = Stopwatch().env(continuous=int(kind not in ("dqn", "pqn")))
        outcome = train(env, threaded(tmp_path, run_id, kind=kind, steps=1000, network=SMALL))["Task"]
        assert outcome.finished
        assert 1000 <= outcome.steps < 1016
    assert curves(tmp_path / "first") == curves(tmp_path / "second")
    assert curves(tmp_path / "first")[-1]["Losses/Value Loss"], "the last summary has the last update"
    assert_same(state_of(tmp_path / "first"), state_of(tmp_path / "second"))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("updates")]


def test_a_run_without_the_key_has_no_thread(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(ThreadedUpdates, "begin", None)
    train_small(tmp_path)


def test_a_stopped_run_is_saved_with_its_last_update_and_goes_on_reproducibly(tmp_path: Path) -> None:
    train(Stopwatch(stop_after=60).env(), threaded(tmp_path, steps=3000))
    stopped = state_of(tmp_path / "first")
    assert stopped["global_step"] == 59 * 16
    # The tenth of a rollout for the normaliser, and three rollouts; the moments know how many rows were learned from.
    assert stopped["observation_moments"]["count"] == 1 + 32 + 3 * 256
    found = []
    for run_id in ("second", "third"):
        copy = {"initialize_from": None, "resume": True}
        (tmp_path / run_id).mkdir()
        for path in (tmp_path / "first").rglob("*"):
            target = tmp_path / run_id / path.relative_to(tmp_path / "first")
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                target.write_bytes(path.read_bytes())
        outcome = train(Stopwatch().env(), threaded(tmp_path, run_id, steps=3000, **copy))["Task"]
        assert outcome.steps >= 3000
        assert outcome.trained == outcome.steps - 59 * 16
        found.append(state_of(tmp_path / run_id))
    assert_same(found[0], found[1])
    rows = read_progress(tmp_path / "second")
    assert [int(row["step"]) for row in rows] == sorted({int(row["step"]) for row in rows})


def test_a_run_goes_on_with_and_without_the_thread(tmp_path: Path) -> None:
    train(Stopwatch().env(), threaded(tmp_path, steps=1000))
    train_small(tmp_path, behavior={"max_steps": 2000}, resume=True)
    assert train(Stopwatch().env(), threaded(tmp_path, steps=3000, resume=True))["Task"].steps >= 3000


def test_diverged_weights_end_the_run_with_the_same_message_and_are_not_saved(tmp_path: Path) -> None:
    train(Stopwatch().env(), threaded(tmp_path, steps=1000))
    before = state_of(tmp_path / "first")
    wild = threaded(tmp_path, steps=9000, resume=True)
    wild["behaviors"]["Task"]["hyperparameters"] = {**ROLLOUT, "learning_rate": 1e38}
    with pytest.raises(UserError, match=r"behavior Task: training diverged at step \d+.*learning_rate"):
        train(Stopwatch().env(), wild)
    after = state_of(tmp_path / "first")
    assert after["global_step"] == before["global_step"]
    assert all(torch.isfinite(tensor).all() for tensor in after["Policy"].values())


@pytest.mark.parametrize("last", [False, True])
def test_what_an_update_raises_ends_the_run_which_is_saved(last: bool, tmp_path: Path, monkeypatch) -> None:
    """Also if the run would have ended: nothing may hang or be lost."""
    learn_from, calls = PPO.learn_from, []

    def failing(learner: PPO, columns: Any) -> None:
        calls.append(learner.step)
        if len(calls) == 4:
            raise ZeroDivisionError("in the thread")
        learn_from(learner, columns)

    monkeypatch.setattr(PPO, "learn_from", failing)
    # The fourth update begins when 32 + 3 · 256 decisions were rewarded.
    steps = 32 + 3 * 256 if last else 3000
    with pytest.raises(ZeroDivisionError, match="in the thread") as caught:
        train(Stopwatch().env(), threaded(tmp_path, steps=steps))
    assert SAVED in caught.value.__notes__
    assert len(calls) == 4
    assert load_policy(tmp_path / "first").step >= calls[-1]
    monkeypatch.undo()
    assert train(Stopwatch().env(), threaded(tmp_path, steps=3000, resume=True))["Task"].steps >= 3000


def test_an_environment_that_fails_while_an_update_runs_leaves_a_saved_run(tmp_path: Path) -> None:
    # the step after an update has begun
    with pytest.raises(ConnectionError) as caught:
        train(failing(ConnectionError("the simulator left"), at=19), threaded(tmp_path))
    assert SAVED in caught.value.__notes__
    saved = state_of(tmp_path / "first")
    assert saved["global_step"] == 19 * 16
    assert saved["observation_moments"]["count"] == 1 + 32 + 256, "the update was waited for"


def test_two_behaviors_share_the_thread(tmp_path: Path) -> None:
    def given(run_id: str) -> dict:
        keys = {
            **OPTIONS["behaviors"]["Task"],
            "threaded": True,
            "hyperparameters": {"batch_size": 16, "buffer_size": 64},
        }
        return {
            "behaviors": {"Short": {**keys, "max_steps": 300}, "Long": {**keys, "max_steps": 900}},
            "env_settings": {"seed": 5},
            "checkpoint_settings": {"run_id": run_id, "results_dir": str(tmp_path)},
        }

    for run_id in ("first", "second"):
        outcomes = train(Beside("Short", "Long", continuous=1), given(run_id))
        assert outcomes["Short"].steps >= 300
        assert outcomes["Long"].steps >= 900
    for behavior in ("Short", "Long"):
        assert curves(tmp_path / "first", behavior) == curves(tmp_path / "second", behavior)
        assert_same(state_of(tmp_path / "first", behavior), state_of(tmp_path / "second", behavior))


@pytest.mark.parametrize(("trainer_type", "steps"), [("ppo", 1500), ("sac", 600)])
def test_self_play_saves_and_plays_whole_policies(trainer_type: str, steps: int, tmp_path: Path) -> None:
    found = []
    for number in range(2):
        given = duel(tmp_path / str(number), steps, trainer_type=trainer_type)
        given["default_settings"]["threaded"] = True
        train(arena(), given)
        run = tmp_path / str(number) / "duel"
        found.append((state_of(run, "duel_v0"), read_tensors(run / "duel_v0" / "opponents.pt")))
    assert_same(*(state for state, _ in found))
    assert_same(*(opponents for _, opponents in found))
    with (run / "duel_v0" / "progress.csv").open(encoding="utf-8") as stream:
        assert any(row["Self-play/ELO"] for row in csv.DictReader(stream))


def test_early_stops_and_timers(tmp_path: Path) -> None:
    given = threaded(tmp_path, steps=100_000)
    given["behaviors"]["Task"]["stop_at_reward"] = 4.0
    outcome = train(Stopwatch().env(), given)["Task"]
    assert outcome.finished
    assert outcome.steps < 2000
    rows = read_progress(tmp_path / "first")
    assert len({row["step"] for row in rows}) == len(rows)
    assert rows[-1]["Losses/Value Loss"]
    assert (tmp_path / "first" / "Task.onnx").is_file()
    timers = json.loads((tmp_path / "first" / "run_logs" / "timers.json").read_text())
    assert timers["children"]["update"]["count"] >= 2


def test_several_ranks_refuse_the_key() -> None:
    class Two(Alone):
        size = 2

    settings = load_settings({"behaviors": {"Walker": {"threaded": True}}})
    check_threads(settings, Alone())
    with pytest.raises(JointError, match=r"behaviors\.Walker\.threaded: true .* 2 ranks.*remove the key"):
        check_threads(settings, Two())
    settings = load_settings({"default_settings": {"threaded": True}})
    with pytest.raises(JointError, match=r"default_settings\.threaded"):
        check_threads(settings, Two())


def test_an_interrupted_wait_for_a_thread_is_made_up_for(tmp_path, monkeypatch):
    """What is saved is the state after the update, and not one in the middle of it."""
    exception, waits = Future.exception, []

    def interrupted(future, timeout=None):
        if sys._getframe(1).f_code is ThreadedUpdates.wait.__code__:  # noqa: SLF001
            waits.append(future)
            if len(waits) == 3:
                raise KeyboardInterrupt
        return exception(future, timeout)

    monkeypatch.setattr(Future, "exception", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(Stopwatch().env(), threaded(tmp_path))
    assert waits[3] == waits[2], "it has waited again"
    assert load_policy(tmp_path / "first").step > 0
