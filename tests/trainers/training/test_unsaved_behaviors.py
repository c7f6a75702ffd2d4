"""Of a run that failed, a behavior may have no checkpoint while another has one. The run goes on."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from duels import COPIES, Shootout, arena, options
from run_tools import Listener, read_progress

from gym_adapters.parallel_env import ParallelEnvAdapter
from trainers import UserError, train
from trainers.records.checkpoint import load_state
from trainers.records.checkpoint_keeper import CheckpointKeeper


class Crashing(ParallelEnvAdapter):
    """Leaves in the first team's turn, before anyone of the other team has learned."""

    left = 30

    def step(self) -> None:
        self.left -= 1
        if not self.left:
            raise ConnectionError("the simulator left")
        super().step()


def crash(results: Path) -> tuple[Path, Path]:
    """Train until the environment is gone. Return the folders of the saved behavior and of the other one."""
    with pytest.raises(ConnectionError):
        train(Crashing(Shootout, COPIES, "duel_v0", 3, teams=True), options(results, 600, team_change=400))
    folders = sorted(
        (results / "duel").glob("*/"), key=lambda folder: not (folder / "checkpoint.pt").exists()
    )
    saved, other = (folder for folder in folders if folder.name != "run_logs")
    assert (saved / "checkpoint.pt").exists()
    assert not (other / "checkpoint.pt").exists()
    return saved, other


def test_a_behavior_that_was_not_saved_begins_anew_and_the_others_go_on(tmp_path: Path) -> None:
    saved, other = crash(tmp_path)
    before = load_state(saved / "checkpoint.pt")["global_step"]
    assert before > 0
    display = Listener()
    resumed = options(tmp_path, 600, resume=True, team_change=400)
    outcomes = train(arena(Shootout), resumed, display=display)
    assert all(outcome.steps >= 600 for outcome in outcomes.values())
    assert outcomes[saved.name].trained == outcomes[saved.name].steps - before
    assert outcomes[other.name].trained == outcomes[other.name].steps
    told = [text for text in display.said if "begins anew" in text]
    assert len(told) == 1
    assert told[0].startswith(f"{other.name}: ")
    for folder in (saved, other):
        steps = [int(row["step"]) for row in read_progress(tmp_path / "duel", folder.name)]
        assert steps == sorted(set(steps))


def test_an_unsaved_policy_is_not_watched(tmp_path: Path) -> None:
    _, other = crash(tmp_path)
    watched = options(tmp_path, 600, resume=True)
    watched["checkpoint_settings"]["inference"] = True
    with pytest.raises(UserError, match=rf"{other.name}.*there is no checkpoint to resume"):
        train(arena(Shootout), watched)


def test_a_behavior_that_was_saved_needs_its_checkpoint(tmp_path: Path) -> None:
    saved, other = crash(tmp_path)
    shutil.copyfile(saved / "checkpoint.pt", other / f"{other.name}-99.pt")
    with pytest.raises(UserError, match=rf"{other.name}.*there is no checkpoint to resume"):
        train(arena(Shootout), options(tmp_path, 600, resume=True))


def test_what_a_full_disk_refused_of_a_behavior_that_has_ended_is_saved_when_the_run_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, refused = CheckpointKeeper.save, []

    def save_late(keeper: CheckpointKeeper, state: dict[str, Any], reward: float | None) -> None:
        if not refused:
            refused.append(keeper.folder)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(keeper, state, reward)

    monkeypatch.setattr(CheckpointKeeper, "save", save_late)
    env = Crashing(Shootout, COPIES, "duel_v0", 3, teams=True)
    given = options(tmp_path, 10_000)
    del given["default_settings"]["self_play"]
    short = min(name.partition("?")[0] for name in arena(Shootout).behavior_specs)
    given["behaviors"] = {short: {"max_steps": 80}}
    with pytest.raises(ConnectionError):
        train(env, given)
    assert [folder.name for folder in refused] == [short]
    assert load_state(refused[0] / "checkpoint.pt")["global_step"] >= 80
