"""The training commands: what they print, leave behind and answer to bad input."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from command_tools import PATIENCE, command, run_command, surroundings, the_error, write_file

from trainers import UserError, load_policy
from trainers.training.arguments import parse
from trainers.training.cli import main, resolve

ODD_ENVIRONMENTS = """
import gymnasium
import numpy as np
from gymnasium import spaces


class Odd(gymnasium.Env):
    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, bad_observation=False, bad_reward=False, action_space=None):
        self.bad_observation, self.bad_reward = bad_observation, bad_reward
        self.action_space = action_space or self.action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.count += 1
        late = self.count > 200
        observation = np.array([0.0, np.nan if late and self.bad_observation else 0.0], np.float32)
        return observation, float("inf") if late and self.bad_reward else 1.0, False, False, {}


text = spaces.Text(5)
for name, kwargs in {
    "NanObservation": {"bad_observation": True},
    "InfiniteReward": {"bad_reward": True},
    "TextAction": {"action_space": text},
}.items():
    gymnasium.register(f"{name}-v0", Odd, kwargs=kwargs, disable_env_checker=True)
"""


def test_training_says_how_it_went_and_where_everything_is(cartpole):
    output = (cartpole / "output.txt").read_text()
    assert re.search(r"\[INFO\] CartPole-v1\. Step: \d+\. Time Elapsed: .* Mean Reward: ", output)
    assert re.search(r"CartPole-v1: 4\d\d steps, \d+ episodes, mean return of the last 100: \d", output)
    assert str(cartpole / "pole" / "CartPole-v1" / "reward.png") in output
    assert f"-m trainers.evaluate {cartpole / 'pole'}" in output


def test_options_of_an_environment_count_when_its_training_file_is_chosen(tmp_path, capfd):
    """The task of the options has discrete actions; without it there is no environment."""
    options = "env_settings.env_options={task: CartPole-v1, hidden: [1]}"
    words = [
        "--env",
        "gym_adapters.partial:Partial-v0",
        "--set",
        options,
        "--run-id",
        "part",
        "--max-steps",
        "300",
    ]
    assert main([*words, "--results-dir", str(tmp_path)], "ppo") == 0
    assert "discrete.yaml" in capfd.readouterr().out


def test_errors_of_a_real_process_are_one_line_and_status_2(cartpole):
    broken = [
        command("trainers.ppo", cartpole / "small.yaml", "--env", "CartPol-v1"),
        command("trainers.a2c", cartpole / "small.yaml", "--env", "CartPole-v1", "--max-steps", "many"),
    ]
    processes = [
        subprocess.Popen(
            line, env=surroundings(), cwd=cartpole, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for line in broken
    ]
    results = [(*process.communicate(timeout=PATIENCE), process.returncode) for process in processes]
    assert [returncode for _, _, returncode in results] == [2] * 2
    assert [output for output, _, _ in results] == [""] * 2
    errors = [error.splitlines() for _, error, _ in results]
    assert len(errors[0]) == 1
    assert errors[0][0].startswith("error: ")
    assert "did you mean CartPole-v1" in errors[0][0]
    assert errors[1][0].startswith("usage: ")
    assert "--max-steps" in errors[1][-1]
    assert "many" in errors[1][-1]


def test_debug_prints_all_settings_with_times_and_lines_of_code(tmp_path):
    """In a process of its own, because the level of the log stays."""
    file = write_file(tmp_path / "small.yaml", max_steps=32)
    options = ("--env", "CartPole-v1", "--debug", "--results-dir", tmp_path)
    done = run_command(tmp_path, "trainers.ppo", file, *options)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^[\d-]+ [\d:,]+ DEBUG \[api\.py:\d+\] All settings of this run:\n", done.stderr, re.MULTILINE
    )
    assert "\ndebug: true\n" in done.stderr
    assert "CartPole-v1: 32 steps" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--env", "Nothing-v0"], ["Nothing-v0"]),
        (["--env", "no_such_module:Thing-v0"], ["no_such_module"]),
        (["--env", "odd_environments:TextAction-v0"], ["action space", "Text", "Discrete"]),
        (
            ["--env", "CartPole-v1", "--set", "env_settings.env_options={colour: red}"],
            ["CartPole-v1", "colour"],
        ),
        (
            ["--env", "CartPole-v1", "--set", "behaviors.*.hyperparameters.batch_sise=3"],
            ["batch_sise", "batch_size"],
        ),
        (["--env", "CartPole-v1", "--set", "behaviors.*.max_steps=[1]"], ["max_steps", "[1]"]),
        (["--env", "CartPole-v1", "--torch-device", "toaster"], ["toaster"]),
        (["--env", "CartPole-v1", "--resume", "--run-id", "never"], ["never", "--resume"]),
        (["--env", "CartPole-v1", "--initialize-from", "never"], ["never", "--initialize-from"]),
        (["--env", "CartPole-v1", "--run-id", "a/b"], ["a/b", "--run-id"]),
        (["--env", "CartPole-v1", "--results-dir", "small.yaml"], ["small.yaml", "--results-dir"]),
    ],
)
def test_bad_input_is_one_line_that_names_it(arguments, told, tmp_path, monkeypatch, capfd):
    (tmp_path / "odd_environments.py").write_text(ODD_ENVIRONMENTS)
    monkeypatch.syspath_prepend(tmp_path)
    write_file(tmp_path / "small.yaml")
    assert main(["small.yaml", *arguments], "ppo") == 2
    line = the_error(capfd)
    for word in told:
        assert word in line


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("behaviors: {Walker: {trainer_typ: ppo}}", ["trainer_typ", "trainer_type"]),
        ("default_settings: {max_steps: soon}", ["max_steps", "soon"]),
        ("default_settings: [1, 2", ["YAML", "line 1"]),
        ("default_settings: {trainer_type: a2c}", ["a2c", "python -m trainers,"]),
        ("default_settings: {self_play: {window: 0}}", ["self_play.window"]),
        ("", ["empty"]),
    ],
)
def test_bad_training_file_is_one_line_that_names_it(content, told, capfd):
    Path("bad.yaml").write_text(content)
    assert main(["bad.yaml", "--env", "CartPole-v1"], "ppo") == 2
    line = the_error(capfd)
    for word in ("bad.yaml", *told):
        assert word in line
    assert not Path("runs").exists()


def copy_of(cartpole: Path, results: Path) -> Path:
    shutil.copytree(cartpole / "pole", results / "pole")
    shutil.copy(cartpole / "small.yaml", results)
    return results / "pole"


def test_a_missing_training_file_is_one_line_that_names_it(capfd):
    assert main(["missing.yaml", "--env", "CartPole-v1"]) == 2
    assert "missing.yaml: no such file" in the_error(capfd)


def test_a_run_in_the_way_and_checkpoints_that_do_not_fit(cartpole, tmp_path, capfd):
    run = copy_of(cartpole, tmp_path)
    arguments = ["small.yaml", "--env", "CartPole-v1", "--run-id", "pole", "--results-dir", str(tmp_path)]
    assert main(arguments, "ppo") == 2
    assert re.search(r"exists already.*--resume", the_error(capfd))

    wider = ["--set", "behaviors.*.network_settings.hidden_units=16"]
    assert main([*arguments, "--resume", *wider], "ppo") == 2
    assert "another network" in the_error(capfd)

    write_file(tmp_path / "a2c.yaml", trainer_type="a2c")
    assert main(["a2c.yaml", *arguments[1:], "--resume"], "a2c") == 2
    assert "written by ppo" in the_error(capfd)

    checkpoint = run / "CartPole-v1" / "checkpoint.pt"
    good = checkpoint.read_bytes()
    checkpoint.write_bytes(good[:-500])
    assert main([*arguments, "--resume"], "ppo") == 2
    assert str(checkpoint) in the_error(capfd)

    checkpoint.write_bytes(good)
    assert main([*arguments, "--resume"], "ppo") == 0
    capfd.readouterr()
    # Without a training file the run's own is taken.
    assert (
        main(["--resume", "--run-id", "pole", "--results-dir", str(tmp_path), "--max-steps", "500"], "ppo")
        == 0
    )
    assert 500 <= load_policy(run).step < 510


@pytest.mark.parametrize("option", [["--num-envs", "3"], ["--set", "env_settings.num_envs=3"]])
def test_a_resumed_run_may_have_another_number_of_environments(option, cartpole, tmp_path):
    run = copy_of(cartpole, tmp_path)
    arguments = parse(["--resume", "--run-id", run.name, "--results-dir", str(tmp_path), *option], "trainers")
    env = resolve(arguments, None).env_settings
    assert (env.env_path, env.num_envs) == ("CartPole-v1", 3)
    with pytest.raises(UserError, match="num_envs is 3: more than one environment needs env_path"):
        resolve(parse(option, "trainers"), None)


@pytest.mark.parametrize(
    ("env_id", "told"),
    [("NanObservation-v0", r"observation 0.*nan"), ("InfiniteReward-v0", r"reward is inf")],
)
def test_a_broken_environment_stops_the_run_and_leaves_the_last_checkpoint(
    env_id, told, tmp_path, monkeypatch, capfd
):
    (tmp_path / "odd_environments.py").write_text(ODD_ENVIRONMENTS)
    monkeypatch.syspath_prepend(tmp_path)
    write_file(tmp_path / "small.yaml", max_steps=10_000)
    assert main(["small.yaml", "--env", f"odd_environments:{env_id}", "--run-id", "broken"], "ppo") == 2
    line = the_error(capfd)
    assert env_id in line
    assert re.search(told, line)
    policy = load_policy(Path("runs", "broken"))
    assert policy.step >= 150
    assert np.isfinite(policy.act(np.zeros((1, 2), np.float32), deterministic=False).discrete).all()
