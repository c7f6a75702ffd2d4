"""`python -m trainers.evaluate`: what it plays, prints and refuses."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from command_tools import returns_by_hand, the_error
from gymnasium.envs.classic_control import CartPoleEnv
from run_tools import Stopwatch

from trainers import load_policy
from trainers.experience import playing
from trainers.playback import evaluation
from trainers.playback.demonstrate import main as demonstrate_main
from trainers.playback.evaluation import evaluate
from trainers.playback.evaluation import main as evaluate_main
from trainers.playback.gallery import main as gallery_main
from trainers.playback.run_environment import environment_of


def test_evaluate_seeds_episode_i_with_s_plus_i(cartpole, capsys):
    run = cartpole / "pole"
    assert evaluate_main([str(run), "--episodes", "4", "--seed", "11", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"mean", "std", "returns"}
    assert result["returns"] == returns_by_hand("CartPole-v1", run, range(11, 15))
    assert result["mean"] == pytest.approx(np.mean(result["returns"]))
    assert result["std"] == pytest.approx(np.std(result["returns"]))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "--games", "5"], "--games: needs --against"),
        (
            ["policy.onnx", "--env", "CartPole-v1", "--checkpoint", "best"],
            "policy.onnx is one policy; name a run",
        ),
    ],
)
def test_options_that_would_do_nothing_are_refused(arguments, told, capfd):
    assert evaluate_main(arguments) == 2
    assert told in the_error(capfd)


@pytest.mark.parametrize("main", [evaluate_main, demonstrate_main, gallery_main])
@pytest.mark.parametrize("seed", ["-1", "2147483648", "99999999999999999999", "1.5", "first"])
def test_a_seed_that_no_environment_takes_is_refused(main, seed, capfd):
    out = ["--out", "steps.demo"] if main is demonstrate_main else []
    with pytest.raises(SystemExit) as ended:
        main(["run", *out, "--seed", seed])
    assert ended.value.code == 2
    assert f"--seed: expected a whole number >= 0 and <= 2147483647, got '{seed}'" in capfd.readouterr().err


def test_evaluate_prints_a_line_per_episode(cartpole, capsys):
    assert evaluate_main([str(cartpole / "pole" / "CartPole-v1"), "--episodes", "3"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"mean [\d.]+  std [\d.]+  episodes 3", first)
    assert [line.split()[0] for line in rest] == ["0", "1", "2"]
    mean = np.mean([float(line.split()[1]) for line in rest])
    assert float(first.split()[1]) == pytest.approx(mean, rel=5e-3)


def test_evaluate_does_not_mind_a_reader_that_leaves(cartpole):
    command = [sys.executable, "-m", "trainers.evaluate", str(cartpole / "pole"), "--episodes", "3"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("mean ")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_evaluate_with_samples_is_repeatable_and_differs_from_the_mode(cartpole, capsys):
    def returns(*arguments: str) -> list[float]:
        assert evaluate_main([str(cartpole / "pole"), "--episodes", "5", "--json", *arguments]) == 0
        return json.loads(capsys.readouterr().out)["returns"]

    assert returns("--stochastic") == returns("--stochastic") != returns()


def test_evaluate_takes_any_checkpoint_and_another_environment(cartpole, tmp_path, capfd):
    steps = [
        path.stem.rpartition("-")[2] for path in (cartpole / "pole" / "CartPole-v1").glob("CartPole-v1-*.pt")
    ]
    for step in steps:
        assert evaluate_main([str(cartpole / "pole"), "--checkpoint", step, "--episodes", "1"]) == 0
    file = str(cartpole / "pole" / "CartPole-v1" / "checkpoint.pt")
    assert evaluate_main([file, "--episodes", "1"]) == 0
    loose = shutil.copy(file, tmp_path / "loose.pt")
    assert evaluate_main([str(loose), "--env", "CartPole-v1", "--episodes", "1"]) == 0
    capfd.readouterr()
    for arguments, told in (
        ([str(loose)], "--env"),
        ([str(loose), "--env", "Pendulum-v1"], "the policy is for CartPole-v1"),
        ([str(cartpole / "pole"), "--checkpoint", "12345"], "12345"),
        ([str(cartpole / "nowhere")], "nowhere"),
        ([str(cartpole / "pole"), "--episodes", "0"], "--episodes 0"),
        ([str(cartpole / "pole"), "--env", "CartPol-v1"], "CartPole-v1"),
    ):
        assert evaluate_main(arguments) == 2
        assert told in the_error(capfd)


def test_numbers_are_written_as_in_training(cartpole, capfd):
    assert evaluate_main([str(cartpole / "pole"), "--episodes", "1e0", "--json"]) == 0
    assert len(json.loads(capfd.readouterr().out)["returns"]) == 1
    for option in ("--episodes", "--games", "--base-port"):
        with pytest.raises(SystemExit):
            evaluate_main([str(cartpole / "pole"), option, "many"])
        assert f"argument {option}: expected a whole number" in capfd.readouterr().err


def test_another_version_of_the_task_is_played(cartpole, capfd):
    returns = []
    for env in ("CartPole-v1", "CartPole-v0"):
        arguments = [str(cartpole / "pole"), "--env", env, "--episodes", "2", "--json"]
        assert evaluate_main(arguments) == 0
        returns.append(json.loads(capfd.readouterr().out)["returns"])
    assert returns[1] == [min(one, 200.0) for one in returns[0]]


def test_games_trained_life_by_life_are_evaluated_as_a_whole(tmp_path):
    path = tmp_path / "run" / "configuration.yaml"
    path.parent.mkdir()
    path.write_text(
        "behaviors: {Assault-v5: {trainer_type: ppo}}\n"
        "env_settings: {env_path: ALE/Assault-v5, env_options: {life_loss_info: true, stack_num: 2}}\n"
    )
    checkpoint = path.parent / "Assault-v5" / "checkpoint.pt"
    assert environment_of(checkpoint) == ("ALE/Assault-v5", {"stack_num": 2})


def test_episodes_that_do_not_end_are_reported(finished_run, monkeypatch, caplog):
    monkeypatch.setattr(playing, "FIRST_NOTICE", 1)
    assert len(evaluate(Stopwatch().env(), load_policy(finished_run[0]))) == 16
    first, second, *_ = [record.getMessage() for record in caplog.records]
    assert first.startswith("Task: 0 of 16 episodes have ended after 1 steps; playing goes on")
    assert second.startswith("Task: 4 of 16 episodes have ended after 2 steps")


def test_what_an_environment_raises_is_one_line(cartpole, monkeypatch, capsys):
    def step(self, action):
        raise ValueError("no fuel")

    monkeypatch.setattr(CartPoleEnv, "step", step)
    assert evaluation.main([str(cartpole / "pole"), "--episodes", "2"]) == 2
    assert capsys.readouterr().err.startswith("error: the environment raised ValueError: no fuel (")


@pytest.mark.parametrize("env_path", [None, "Build/Game.x86_64"])
def test_a_run_of_a_unity_scene_is_told_how_to_watch_and_how_to_measure_it(
    env_path, cartpole, tmp_path, capsys
):
    run = shutil.copytree(cartpole / "pole", tmp_path / "results" / "scene")
    configuration = run / "configuration.yaml"
    tree = yaml.safe_load(configuration.read_text())
    tree["env_settings"] |= {"env_path": env_path, "num_envs": 1}
    tree["engine_settings"]["no_graphics"] = env_path is not None
    configuration.write_text(yaml.safe_dump(tree))
    assert evaluate_main([str(run)]) == 2
    message = the_error(capsys)
    assert "--run-id scene --resume --inference" in message
    player = "PLAYER" if env_path is None else f"{env_path} --no-graphics"
    assert message.endswith(f"trainers.evaluate {run / 'CartPole-v1.onnx'} --env {player}")


def test_a_run_of_mlagents_learn_is_told_as_such(tmp_path, capfd):
    """Its run cannot be watched with `--resume`, so that is not advised."""
    (tmp_path / "theirs" / "Task").mkdir(parents=True)
    (tmp_path / "theirs" / "configuration.yaml").write_text("behaviors: {Task: {trainer_type: ppo}}\n")
    torch.save({"Policy": {"weight": torch.zeros(2)}}, tmp_path / "theirs" / "Task" / "checkpoint.pt")
    assert evaluate_main([str(tmp_path / "theirs")]) == 2
    said = the_error(capfd)
    assert "written by mlagents-learn" in said
    assert "--resume" not in said
