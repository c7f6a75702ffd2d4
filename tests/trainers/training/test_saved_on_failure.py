"""Whatever ends a run, what it learned is saved first."""

import json
import os
import signal
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from command_tools import run_command
from run_tools import OPTIONS, Stopwatch, failing, options, read_progress, train_small

from tests.pictures import drawn
from trainers import UserError, load_policy, train
from trainers.config import CheckpointSettings
from trainers.records.checkpoint import load_state, save_state
from trainers.records.run_folder import claimed_folder
from trainers.training.chronicle import SAVED
from trainers.training.cli import main

ENVIRONMENT = """
import gymnasium, numpy, os, signal, sys

class Task(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(2)
    steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return numpy.zeros(2, numpy.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 600:
            TROUBLE
        return numpy.zeros(2, numpy.float32), 1.0, self.steps % 10 == 0, False, {}

gymnasium.register("Trouble-v0", Task)
"""
FILE = """
default_settings:
  trainer_type: ppo
  max_steps: 1000000
  summary_freq: 100
  checkpoint_interval: 1000000
  hyperparameters: {batch_size: 32, buffer_size: 64}
  network_settings: {hidden_units: 8, num_layers: 1}
"""


@pytest.mark.parametrize(
    ("error", "in_thread"),
    [
        (ConnectionError("the simulator left"), False),
        (MemoryError(), False),
        (ZeroDivisionError("division by zero"), False),
        (KeyboardInterrupt(), False),
        (KeyboardInterrupt(), True),
    ],
)
def test_what_an_environment_raises_comes_through_with_a_note_and_the_run_is_saved(
    error, in_thread, tmp_path
):
    with pytest.raises(type(error)) as caught:
        train(failing(error), options(tmp_path, behavior={"threaded": in_thread}))
    assert SAVED in caught.value.__notes__
    assert load_policy(tmp_path / "first").step == 100 * 16
    outcome = train_small(tmp_path, resume=True)
    assert outcome.steps >= 3000


def test_an_environment_that_leaves_with_status_0_is_a_failure(tmp_path):
    with pytest.raises(RuntimeError, match=r"called sys.exit\(0\)"):
        train(failing(SystemExit(0)), options(tmp_path))
    assert load_policy(tmp_path / "first").step == 100 * 16


def test_a_run_that_learned_nothing_leaves_nothing_that_blocks_the_next(tmp_path):
    with pytest.raises(ConnectionError):
        train(failing(ConnectionError("at once"), at=0), options(tmp_path))
    assert not (tmp_path / "first").exists()


def test_a_forced_run_that_fails_before_it_saved_anything_gives_the_earlier_one_back(tmp_path):
    train_small(tmp_path, behavior={"max_steps": 500})
    before = load_policy(tmp_path / "first").step
    with pytest.raises(ConnectionError):
        train(failing(ConnectionError("at once"), at=0), options(tmp_path, force=True))
    assert load_policy(tmp_path / "first").step == before


def arguments(folder: Path, module: str, trouble: str) -> list[str]:
    """Of a run in an environment that has trouble after 599 steps."""
    (folder / f"{module}.py").write_text(ENVIRONMENT.replace("TROUBLE", trouble))
    (folder / "file.yaml").write_text(FILE)
    return ["file.yaml", "--env", f"{module}:Trouble-v0", "--run-id", "run", "--seed", "1"]


def assert_saved(folder: Path, errors: str, told: str) -> None:
    last = errors.strip().splitlines()[-1]
    start, _, end = told.partition("*")
    assert start in last
    assert end in last
    assert last.endswith("what was learned until then is saved.")
    assert "Traceback" not in errors
    assert load_policy(folder / "runs" / "run").step == 599


OWN_HANDLER = "signal.signal(signal.SIGINT, signal.default_int_handler)"  # as some simulators have one


@pytest.mark.parametrize(
    ("module", "trouble", "status", "told"),
    [
        (
            "raises",
            "raise ValueError('no more fuel')",
            2,
            "the environment raised ValueError: no more fuel (*raises.py, line ",
        ),
        (
            "leaves",
            "sys.exit(0)",
            2,
            "the environment raised RuntimeError: the environment called sys.exit(0)",
        ),
        ("interrupted", f"{OWN_HANDLER}; os.kill(os.getpid(), signal.SIGINT)", 130, "interrupted; "),
    ],
)
def test_the_command_says_in_one_line_what_the_environment_raised(
    module, trouble, status, told, tmp_path, monkeypatch, capfd
):
    monkeypatch.syspath_prepend(tmp_path)
    before = signal.getsignal(signal.SIGINT)
    try:
        assert main(arguments(tmp_path, module, trouble), "ppo") == status
    finally:
        gymnasium.registry.pop("Trouble-v0", None)
    assert signal.getsignal(signal.SIGINT) is before
    assert_saved(tmp_path, capfd.readouterr().err, told)


def test_so_does_a_process_whose_environment_goes_to_another_folder(tmp_path):
    words = arguments(tmp_path, "wanders", "os.chdir('/'); raise OSError('gone')")
    done = run_command(tmp_path, "trainers.ppo", *words)
    assert done.returncode == 2, done.stderr
    assert_saved(tmp_path, done.stderr, "the environment raised OSError: gone")


def test_two_trainings_of_one_run_are_refused_and_the_owner_is_named(tmp_path):
    def start_another() -> None:
        with pytest.raises(UserError, match=rf"process {os.getpid()} on .* is writing this run"):
            train_small(tmp_path, force=True)

    train(Stopwatch(events={50: start_another}).env(), options(tmp_path, behavior={"max_steps": 1500}))
    assert load_policy(tmp_path / "first").step >= 1500


def test_a_killed_process_leaves_no_drafts_and_hides_no_run(run_copy):
    checkpoints = OPTIONS | options(run_copy.parent, resume=True)
    (run_copy / "Task" / ".checkpoint.pt.abcd.draft").write_bytes(b"half")
    (run_copy / ".Task.onnx.abcd.draft").write_bytes(b"half")
    train(Stopwatch().env(), {**checkpoints, "behaviors": options(run_copy.parent)["behaviors"]})
    assert not list(run_copy.rglob("*.draft"))


def test_a_process_killed_while_it_wrote_its_first_file_leaves_the_name_free(tmp_path):
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / ".configuration.yaml.abcd.draft").write_bytes(b"half")
    train_small(tmp_path)
    assert load_policy(folder).step > 0
    assert not list(folder.rglob("*.draft"))


def test_a_run_that_was_moved_aside_when_its_successor_was_killed_comes_back(run_copy):
    """As if the process had been killed right after `--force` had moved the run, and once more."""
    step = load_policy(run_copy).step
    aside = run_copy.parent / ".replaced" / run_copy.name
    aside.parent.mkdir()
    run_copy.rename(aside)
    (run_copy / "Task").mkdir(parents=True)
    (run_copy / "configuration.yaml").write_text("new")
    settings = CheckpointSettings(run_id=run_copy.name, results_dir=str(run_copy.parent), resume=True)
    with claimed_folder(settings):
        assert load_policy(run_copy).step == step
    assert not aside.exists()


def test_a_deleted_configuration_comes_back_with_the_next_checkpoint(tmp_path):
    configuration = tmp_path / "first" / "configuration.yaml"
    train(Stopwatch(events={60: configuration.unlink}).env(), options(tmp_path))
    assert configuration.is_file()


@pytest.mark.parametrize("reward", [1e30, 3e38])
def test_returns_beyond_any_histogram_do_not_end_the_run(reward, tmp_path):
    class Huge(Stopwatch):
        def pay(self, obs, action) -> np.ndarray:
            return super().pay(obs, action) * np.float32(reward if self.steps % 100 == 7 else 0.0)

    settings = options(tmp_path, behavior={"max_steps": 1000, "reward_clip": 1.0})
    with drawn():
        train(Huge().env(), settings)
    assert len(read_progress(tmp_path / "first")) >= 2


def test_every_flipped_bit_of_the_weights_is_found(tmp_path):
    path = tmp_path / "checkpoint.pt"
    train_small(tmp_path, behavior={"max_steps": 200})
    save_state(path, load_state(tmp_path / "first" / "Task" / "checkpoint.pt"))
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    whole_state = load_state(path)["Policy"]
    passed = 0
    for place in rng.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            state = load_state(path)["Policy"]
        except UserError:
            continue
        passed += 1  # padding between the parts, and names that nothing reads
        assert all(bool((state[name] == tensor).all()) for name, tensor in whole_state.items())
    assert passed < 40


def test_what_a_lesson_has_measured_survives_a_resume(tmp_path):
    lessons = [
        {"name": "a", "value": 1.0, "completion_criteria": {
            "measure": "reward", "behavior": "Task", "threshold": 1e9, "min_lesson_length": 40,
            "signal_smoothing": True}},
        {"name": "b", "value": 2.0},
    ]  # fmt: skip
    env = Stopwatch().env()
    env.set_parameters = lambda values: None
    settings = {**options(tmp_path), "environment_parameters": {"size": {"curriculum": lessons}}}
    train(env, settings)
    status = json.loads((tmp_path / "first" / "run_logs" / "training_status.json").read_text())
    assert status["size"]["lesson_num"] == 0
    assert status["size"]["smoothed_reward"] == pytest.approx(4.0, rel=0.01)
    assert len(load_state(tmp_path / "first" / "Task" / "checkpoint.pt")["lesson_returns"]) == 40
