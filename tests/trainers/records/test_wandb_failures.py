"""Weights & Biases as it fails: a training goes on without it, and none of its runs is left open."""

import logging
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from run_tools import Stopwatch, options, read_progress, train_small
from scripted_env import make_spec

from tests.shown import episode, write_shown
from trainers import UserError, load_policy, train
from trainers.config import load_settings
from trainers.records.checkpoint import load_state
from trainers.records.progress import LineDisplay
from trainers.records.wandb_report import ID_FILE
from trainers.training import clone as clone_module
from trainers.training.clone import clone


class FakeRun:
    """A run whose process may have died."""

    url, offline, dir = "somewhere", False, "."

    def __init__(self) -> None:
        self.logged: list[int] = []
        self.finished = 0
        self.dead_from: int | None = None

    def log(self, values: dict[str, float], step: int) -> None:
        if self.dead_from is not None and step >= self.dead_from:
            raise ConnectionResetError("Connection lost")
        self.logged.append(step)

    def log_code(self, *_: object, **__: object) -> None:
        pass

    def log_artifact(self, *_: object) -> None:
        if self.dead_from is not None:
            raise ConnectionResetError("Connection lost")

    def finish(self) -> None:
        self.finished += 1
        if self.dead_from is not None:
            raise ConnectionResetError("Connection lost")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[FakeRun]:
    """The runs that the package has begun."""
    begun: list[FakeRun] = []

    def init(**_: object) -> FakeRun:
        begun.append(FakeRun())
        return begun[-1]

    fake: Any = ModuleType("wandb")
    fake.errors = SimpleNamespace(Error=type("Error", (Exception,), {}))
    fake.setup = lambda: SimpleNamespace(settings=SimpleNamespace(mode="offline"))
    fake.init = init
    fake.Settings = lambda **_: None
    fake.Artifact = lambda *_, **__: SimpleNamespace(add_file=lambda *_: None)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return begun


def test_its_process_may_die_and_costs_neither_the_run_nor_the_best_policy(runs, tmp_path, caplog):
    class Dying(Stopwatch):
        def pay(self, obs, action):
            runs[0].dead_from = 600
            return super().pay(obs, action)

    with caplog.at_level(logging.WARNING):
        outcome = train(Dying().env(), {**options(tmp_path), "wandb": "project"})["Task"]
    said = [one.message for one in caplog.records if "Weights & Biases" in one.message]
    assert said == [
        "Weights & Biases fails (ConnectionResetError: Connection lost): the training goes on without it"
    ]
    assert outcome.steps >= 3000
    assert load_policy(tmp_path / "first").step == outcome.steps
    assert load_state(tmp_path / "first" / "Task" / "best.pt")["best_return"] == 4.0
    assert int(read_progress(tmp_path / "first")[-1]["step"]) == outcome.steps
    assert (len(runs), runs[0].finished) == (1, 1)
    assert all(step < 600 for step in runs[0].logged)


def test_what_cannot_be_written_at_a_start_leaves_no_run_open(runs, tmp_path):
    train_small(tmp_path, behavior={"max_steps": 100})
    folder = tmp_path / "first" / "Task"
    (folder / ID_FILE).mkdir()
    again = {**options(tmp_path, behavior={"max_steps": 200}, resume=True), "wandb": "project"}
    with pytest.raises(UserError, match=r"wandb_id: cannot be written"):
        train(Stopwatch().env(), again)
    (folder / ID_FILE).rmdir()
    (folder / "monitor.csv").write_bytes(b"\xff")
    for number in range(1, 3):
        (folder / f"monitor.damaged-{number}.csv").mkdir()
    with pytest.MonkeyPatch.context() as disk:
        disk.setattr(Path, "read_bytes", _refused)
        with pytest.raises(UserError, match=r"monitor\.csv: cannot be written"):
            train(Stopwatch().env(), {**again, "monitor": True})
    assert [run.finished for run in runs] == [1, 1]


def _refused(_path: Path) -> bytes:
    raise PermissionError(13, os.strerror(13))


@pytest.mark.parametrize("fails", [False, True])
def test_a_clone_leaves_no_run_open_whether_it_fails_or_not(fails, runs, tmp_path, monkeypatch):
    spec = make_spec((4,), continuous=1, branches=(2,))
    random, count = np.random.default_rng(0), 40
    seen = random.normal(size=(count + 1, 4))
    acted = random.uniform(-1, 1, (count, 1)), random.integers(0, 2, (count, 1))
    shown = episode(spec, [seen], *acted, reward=np.ones(count))
    path = write_shown(tmp_path / "task.demo", spec, shown, name="Task")
    if fails:
        monkeypatch.setattr(clone_module, "deviation", lambda *_: 1 / 0)
    settings = load_settings({**options(tmp_path), "wandb": "project"})
    if fails:
        with pytest.raises(ZeroDivisionError):
            clone(settings, str(path), 2, LineDisplay())
    else:
        clone(settings, str(path), 2, LineDisplay())
    assert [run.finished for run in runs] == [1]
