"""What a run cannot start from is told before an environment is started, and a start that failed is in nobody's way."""

from pathlib import Path
from typing import Any

import pytest
import torch
from run_tools import OPTIONS, contents, options, train_small

from gym_adapters.commands import nearby
from trainers import UserError, load_policy, train
from trainers.config import RunSettings
from trainers.training.followers import Silence


def never(settings: RunSettings) -> Any:
    pytest.fail("an environment was started")


def mlagents_run(results: Path) -> Path:
    """The folder of a run of `mlagents-learn`, with the parts of its checkpoints."""
    run = results / "theirs"
    (run / "Task").mkdir(parents=True)
    (run / "configuration.yaml").write_text("behaviors: {Task: {trainer_type: ppo}}\n")
    state = {"Policy": {"network_body.weight": torch.zeros(2, 2)}, "Optimizer:critic": {}, "global_step": {}}
    torch.save(state, run / "Task" / "checkpoint.pt")
    return run


def empty_run(results: Path) -> Path:
    run = results / "theirs"
    run.mkdir(parents=True)
    (run / "configuration.yaml").write_text("behaviors: {Task: {trainer_type: ppo}}\n")
    return run


def damaged_run(results: Path) -> Path:
    run = mlagents_run(results)
    (run / "Task" / "checkpoint.pt").write_bytes(b"PK no zip")
    return run


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (mlagents_run, r"checkpoint\.pt: written by mlagents-learn"),
        (empty_run, "there is no checkpoint|holds no checkpoint"),
        (damaged_run, r"checkpoint\.pt: not a readable checkpoint"),
    ],
)
@pytest.mark.parametrize("how", ["resume", "initialize_from"])
def test_a_folder_that_nothing_can_start_from_is_told_before_an_environment_is_started(
    make, told, how, tmp_path
):
    run = make(tmp_path)
    before = contents(run)
    start = ("theirs", {"resume": True}) if how == "resume" else ("ours", {"initialize_from": "theirs"})
    with pytest.raises(UserError, match=told):
        train(never, options(tmp_path, start[0], **start[1]))
    assert contents(run) == before
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (mlagents_run, r"Task\.init_path: .*checkpoint\.pt: written by mlagents-learn"),
        (empty_run, r"Task\.init_path: .*holds no checkpoint 'last'"),
        (damaged_run, r"Task\.init_path: .*checkpoint\.pt: not a readable checkpoint"),
        (lambda results: results / "none.pt", r"Task\.init_path: .*none\.pt: no such"),
        (lambda results: results / "none", r"Task\.init_path: .*none: no such run folder or checkpoint"),
    ],
)
def test_an_init_path_that_nothing_can_start_from_is_told_before_an_environment_is_started(
    make, told, tmp_path
):
    behavior = {"init_path": str(make(tmp_path))}
    with pytest.raises(UserError, match=told):
        train(never, options(tmp_path, "ours", behavior=behavior))
    assert not (tmp_path / "ours").exists()


def test_what_a_run_starts_from_is_said(tmp_path, capsys):
    train_small(tmp_path, behavior={"max_steps": 64})
    first = tmp_path / "first" / "Task" / "checkpoint.pt"
    assert "starts from" not in capsys.readouterr().out
    train_small(tmp_path, "second", behavior={"max_steps": 32}, initialize_from="first")
    train_small(tmp_path, "third", behavior={"max_steps": 32, "init_path": str(first)})
    said = capsys.readouterr().out
    assert said.count(f"Task starts from {nearby(str(first))}\n") == 2


def test_policies_of_mlagents_learn_are_named_as_such(tmp_path):
    with pytest.raises(UserError, match="written by mlagents-learn"):
        load_policy(mlagents_run(tmp_path))


@pytest.mark.parametrize("how", ["resume", "initialize_from"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "elu"])
def test_weights_of_another_activation_are_another_policy(how, activation, tmp_path):
    train_small(tmp_path, behavior={"max_steps": 64})
    network = {**OPTIONS["behaviors"]["Task"]["network_settings"], "activation": activation}
    changed = {"max_steps": 128, "network_settings": network}
    start = ("first", {"resume": True}) if how == "resume" else ("second", {"initialize_from": "first"})
    with pytest.raises(UserError, match=f"activation swish; this run has {activation}"):
        train_small(tmp_path, start[0], behavior=changed, **start[1])


def test_a_run_does_not_start_from_itself(tmp_path):
    train_small(tmp_path, behavior={"max_steps": 64})
    with pytest.raises(UserError, match=r"initialize_from: 'first' is the run itself"):
        train(never, options(tmp_path, initialize_from="first", force=True))
    assert (tmp_path / "first" / "Task" / "checkpoint.pt").is_file()


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("resume", "written by ppo, cannot be resumed with sac"),
        ("initialize_from", "written by ppo, whose network is another one than that of sac"),
    ],
)
def test_the_network_of_another_algorithm_is_named_as_such(how, told, tmp_path):
    train_small(tmp_path, behavior={"max_steps": 64})
    start = ("first", {"resume": True}) if how == "resume" else ("second", {"initialize_from": "first"})
    behavior = {"trainer_type": "sac", "max_steps": 128, "hyperparameters": {"batch_size": 16}}
    with pytest.raises(UserError, match=told):
        train_small(tmp_path, start[0], behavior=behavior, **start[1])


def log_of(settings: RunSettings) -> Path:
    checkpoints = settings.checkpoint_settings
    return Path(checkpoints.results_dir, str(checkpoints.run_id), "run_logs", "Player-0.log")


def test_a_start_that_failed_blocks_no_other_and_the_newest_log_stays(tmp_path):
    def fail(attempt: str) -> Any:
        def make(settings: RunSettings) -> Any:
            log_of(settings).parent.mkdir(parents=True, exist_ok=True)
            log_of(settings).write_text(attempt)
            raise UserError("no such scene")

        return make

    for attempt in ("first", "second"):
        with pytest.raises(UserError, match="no such scene"):
            train(fail(attempt), options(tmp_path, "run"))
        assert (tmp_path / "run" / "run_logs" / "Player-0.log").read_text() == attempt
    outcome = train_small(tmp_path, "run", behavior={"max_steps": 64})
    assert outcome.steps >= 64
    with pytest.raises(UserError, match="no such scene"):
        train(fail("third"), options(tmp_path, "run", force=True))
    assert load_policy(tmp_path / "run").step == outcome.steps, "a run is not lost to a start that failed"


def test_the_display_is_closed_where_a_start_is_refused(tmp_path):
    class Closing(Silence):
        closed = False

        def close(self) -> None:
            self.closed = True

    display = Closing()
    with pytest.raises(UserError, match="no run folder"):
        train(never, options(tmp_path, initialize_from="none"), display=display)
    assert display.closed
