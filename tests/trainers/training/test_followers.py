"""Ranks that write no files count as rank 0 does, and leave the run's folder alone."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learner_tools import behavior_settings, make_learner
from scripted_env import make_spec

from trainers.config import RunSettings, load_settings
from trainers.records.timers import TimerTree
from trainers.training.evaluation import Score
from trainers.training.file_recorder import FileRecorder
from trainers.training.followers import FollowerFiles, Silence
from trainers.training.recorder import Recorder
from trainers.training.run_files import RunFiles

SPEC = make_spec((4,), continuous=2)
COUNTS = {"max_steps": 1000, "summary_freq": 100, "checkpoint_interval": 300}


def run_settings(folder: Path, **checkpoints: Any) -> RunSettings:
    place = {"results_dir": str(folder), "run_id": "run", **checkpoints}
    return load_settings({"checkpoint_settings": place, "monitor": True})


def recorders(folder: Path, name: str, **keys: Any) -> list[tuple[RunFiles, Recorder]]:
    """The files and the recorder of rank 0, and those of a follower that sees the same folder."""
    settings = run_settings(folder)
    pairs = []
    for kind in (RunFiles, FollowerFiles):
        files = kind(settings, Silence(), TimerTree())
        files.begin()
        learner = make_learner(SPEC, behavior_settings("ppo", **COUNTS, **keys), name=name)
        pairs.append((files, files.record(learner)))
    return pairs


def go_on(files: RunFiles, recorder: Recorder, step: int) -> None:
    """One step of a run: what is due is written, then more episodes end."""
    learner = recorder.learner
    if recorder.due.evaluation:
        files.evaluate(recorder, Score(float(step), 1.0, 5.0, 10))
    files.monitor(recorder)
    if recorder.due.summary:
        files.summarise(recorder)
        recorder.early_stop.judge(True)
    if recorder.due.checkpoint:
        files.checkpoint(recorder, {})
    returns = np.full(30, np.sin(step))
    learner.metrics.add_episodes(returns, np.zeros(30), np.ones(30))
    learner.step = step


def standing(recorder: Recorder) -> str:
    """Everything that a recorder knows but for seconds, as text, in which NaN equals NaN."""
    moment = recorder.moment(print)
    figures = {tag: value for tag, value in moment.figures.items() if "second" not in tag.lower()}
    found = {name: getattr(recorder, name) for name in ("ends", "has_news", "has_rewards", "has_learned")}
    due = {
        name: getattr(recorder.due, name) for name in ("summary", "checkpoint", "evaluation", "steps_left")
    }
    status = Recorder.status(recorder)
    return str({**found, **due, **status, **dataclasses.asdict(Recorder.close(recorder, 1.0)), **figures})


@pytest.mark.parametrize(
    "keys", [{}, {"patience": 2}, {"stop_at_reward": 0.5}, {"evaluation_freq": 200}], ids=str
)
@pytest.mark.parametrize("name", ["Walker", "a/b: c", "nul"])
def test_a_follower_counts_as_rank_0_does(name: str, keys: dict[str, Any], tmp_path: Path) -> None:
    first, other = recorders(tmp_path, name, **keys)
    assert (type(first[1]), type(other[1])) == (FileRecorder, Recorder)
    for step in range(40, 1100, 40):
        before = written(tmp_path)
        go_on(*other, step)
        assert written(tmp_path) == before
        go_on(*first, step)
        assert standing(other[1]) == standing(first[1])
    assert other[1].folder == first[1].folder
    assert first[1].folder.is_dir()
    assert first[1].best_return > -np.inf
    for files, recorder in (other, first):
        files.close([recorder])
        files.require_saved()
    assert str(first[1].close(1.0)) == str(other[1].close(1.0))


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """The time and the size of every file."""
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_follower_does_not_read_what_it_is_told(tmp_path: Path) -> None:
    """It may run on another machine, and rank 0 tells it what the status is."""
    (tmp_path / "run" / "run_logs").mkdir(parents=True)
    (tmp_path / "run" / "run_logs" / "training_status.json").write_text("{")
    assert FollowerFiles(run_settings(tmp_path, resume=True), Silence(), TimerTree()).status == {}
