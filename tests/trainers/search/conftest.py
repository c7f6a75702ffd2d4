"""Trials in this process whose trainings are formulas, and which are not drawn."""

import pytest

from tests.trainers.search.search_tools import train_at_once
from trainers.search import pictures


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    study = pytest.importorskip("trainers.search.study", reason="needs the extra search")
    monkeypatch.setattr(study, "train_seeds", train_at_once)
    monkeypatch.setattr(pictures, "draw_trials", lambda *_: None)
