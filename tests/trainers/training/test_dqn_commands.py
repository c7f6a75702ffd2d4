"""`python -m trainers.dqn` as people type it: what it leaves, resumes, evaluates and answers to bad input."""

import csv
import io
import json
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

import pytest
import yaml
from command_tools import the_error
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bridge.onnx_check import check_file
from trainers.config import load_settings
from trainers.config.doubts import check_trainer_type
from trainers.playback.evaluation import main as evaluate_main
from trainers.records.checkpoint import load_state
from trainers.training.cli import main
from trainers.training.default_files import tuned_file

BEHAVIOR = {
    "trainer_type": "dqn",
    "hyperparameters": {
        "batch_size": 16,
        "buffer_size": 300,
        "steps_per_update": 8,
        "save_replay_buffer": True,
    },
    "network_settings": {"hidden_units": 8, "num_layers": 1},
    "max_steps": 600,
    "summary_freq": 200,
    "checkpoint_interval": 300,
}


@pytest.fixture(scope="module")
def pole(tmp_path_factory) -> Path:
    """The finished run `pole`. Not to be written to."""
    folder = tmp_path_factory.mktemp("dqn")
    file = folder / "small.yaml"
    file.write_text(yaml.safe_dump({"default_settings": BEHAVIOR}))
    arguments = (file, "--env", "CartPole-v1", "--run-id", "pole", "--seed", 3, "--results-dir", folder)
    output = io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["trainers.dqn", *map(str, arguments)]),
        redirect_stdout(output),
        pytest.raises(SystemExit, match=r"^0$"),
    ):
        runpy.run_module("trainers.dqn", run_name="__main__")
    assert f"-m trainers.evaluate {folder / 'pole'}" in output.getvalue()
    return folder


def test_a_run_leaves_what_every_run_leaves_and_its_replay_buffer(pole, capsys):
    folder = pole / "pole" / "CartPole-v1"
    names = {path.name for path in folder.iterdir()}
    assert {"checkpoint.pt", "last_replay_buffer.npz", "progress.csv", "reward.png", "losses.png"} <= names
    assert check_file(pole / "pole" / "CartPole-v1.onnx").refused == []
    assert load_state(folder / "checkpoint.pt")["trainer_type"] == "dqn"
    events = EventAccumulator(str(folder))
    events.Reload()
    assert {"Losses/Value Loss", "Policy/epsilon", "Policy/Learning Rate"} <= set(events.Tags()["scalars"])
    with (folder / "progress.csv").open(encoding="utf-8") as stream:
        steps = [int(row["step"]) for row in csv.DictReader(stream)]
    assert steps[-1] >= 600
    assert evaluate_main([str(pole / "pole"), "--episodes", "3", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["returns"]) == 3


FEW_ROWS = "default_settings.hyperparameters.buffer_size=20"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["small.yaml", "--env", "Pendulum-v1"], "a trainer_type that learns a policy, such as ppo"),
        (["ppo.yaml", "--env", "CartPole-v1"], "python -m trainers,"),
        (["small.yaml", "--env", "CartPole-v1", "--run-id", "pole"], "--resume"),
        (
            ["small.yaml", "--env", "CartPole-v1", "--set", FEW_ROWS, "--num-envs", "30"],
            "buffer_size (20)",
        ),
    ],
)
def test_errors_are_one_line_and_status_2(arguments, told, pole, capfd):
    Path("small.yaml").write_text(yaml.safe_dump({"default_settings": BEHAVIOR}))
    Path("ppo.yaml").write_text(yaml.safe_dump({"default_settings": {"trainer_type": "ppo"}}))
    assert main([*arguments, "--results-dir", str(pole)], "dqn") == 2
    assert told in the_error(capfd)


def test_a_run_is_resumed_with_its_buffer_and_a_damaged_buffer_is_named(pole, tmp_path, capfd):
    arguments = ["--run-id", "mine", "--env", "CartPole-v1", "--results-dir", str(tmp_path)]
    file = str(pole / "small.yaml")
    assert main([file, *arguments, "--seed", "1"], "dqn") == 0
    buffer = tmp_path / "mine" / "CartPole-v1" / "last_replay_buffer.npz"
    before = buffer.stat().st_mtime_ns
    assert main([*arguments, "--resume", "--max-steps", "900"], "dqn") == 0
    assert buffer.stat().st_mtime_ns > before
    assert load_state(buffer.parent / "checkpoint.pt")["global_step"] >= 900
    buffer.write_bytes(b"rubbish")
    capfd.readouterr()
    assert main([*arguments, "--resume", "--max-steps", "1200"], "dqn") == 2
    assert "last_replay_buffer.npz" in the_error(capfd)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "ALE/Assault-v5", "ALE/Pong-v5"])
def test_there_is_a_file_for_every_kind_of_environment_that_it_can_learn(env_id):
    path = tuned_file(env_id, "dqn")
    assert path is not None
    settings = load_settings(path, options={"env_settings": {"env_path": env_id}})
    check_trainer_type(settings, "dqn")


def test_without_a_file_for_its_kind_the_command_says_so(capfd, tmp_path):
    assert main(["--env", "Pendulum-v1", "--results-dir", str(tmp_path)], "dqn") == 2
    assert "Pendulum-v1 has continuous actions, which trainer_type dqn cannot learn; use " in the_error(capfd)
