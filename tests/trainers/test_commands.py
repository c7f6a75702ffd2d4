"""The commands as people type them: what they print, leave behind and answer to bad input."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import yaml

from trainers import load_policy
from trainers.checkpoint import load_state
from trainers.cli import main
from trainers.evaluate import main as evaluate_main

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 120  # seconds; a busy machine may take a while to start a process

BEHAVIOR = {
    "trainer_type": "ppo",
    "hyperparameters": {"batch_size": 32, "buffer_size": 128},
    "network_settings": {"hidden_units": 8, "num_layers": 1},
    "max_steps": 400,
    "summary_freq": 100,
    "checkpoint_interval": 150,
}

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


def write_file(path: Path, **behavior) -> Path:
    """A small training file for any environment."""
    path.write_text(yaml.safe_dump({"default_settings": {**BEHAVIOR, **behavior}}))
    return path


def command(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", module, *map(str, arguments)]


def surroundings() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


def the_error(capfd) -> str:
    """The one line on standard error."""
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory) -> Path:
    """A results folder with the finished run `pole`. Not to be written to."""
    folder = tmp_path_factory.mktemp("cartpole")
    file = write_file(folder / "small.yaml")
    arguments = [file, "--env", "CartPole-v1", "--run-id", "pole", "--results-dir", folder, "--seed", 3]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main([str(argument) for argument in arguments], "ppo") == 0
    (folder / "output.txt").write_text(output.getvalue())
    return folder


def test_training_says_how_it_went_and_where_everything_is(cartpole):
    output = (cartpole / "output.txt").read_text()
    assert re.search(r"\[INFO\] CartPole-v1\. Step: \d+\. Time Elapsed: .* Mean Reward: ", output)
    assert re.search(r"CartPole-v1: 4\d\d steps, \d+ episodes, mean return of the last 100: \d+\.\d", output)
    assert str(cartpole / "pole" / "CartPole-v1" / "reward.png") in output
    assert f"python -m trainers.evaluate {cartpole / 'pole'}" in output


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
        ("default_settings: {trainer_type: a2c}", ["a2c", "trainers.a2c"]),
        ("default_settings: {trainer_type: sac}", ["sac"]),
        ("", ["empty"]),
    ],
)
def test_bad_training_file_is_one_line_that_names_it(content, told, tmp_path, capfd):
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


@dataclass(frozen=True)
class StoppedRun:
    """A run of Pendulum that was stopped by a signal."""

    results: Path
    returncode: int
    output: str
    errors: str

    @property
    def folder(self) -> Path:
        return self.results / "run" / "Pendulum-v1"


@pytest.fixture(scope="module")
def stopped_runs(tmp_path_factory) -> dict[signal.Signals, StoppedRun]:
    """Three runs side by side, each stopped in the middle by another signal."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    folders = [tmp_path_factory.mktemp(number.name) for number in numbers]
    with ThreadPoolExecutor() as pool:
        return dict(zip(numbers, pool.map(run_and_stop, numbers, folders), strict=True))


def run_and_stop(number: signal.Signals, results: Path) -> StoppedRun:
    interval = 100 if number is signal.SIGKILL else 5000
    file = write_file(results / "long.yaml", max_steps=10_000_000, checkpoint_interval=interval)
    arguments = (file, "--env", "Pendulum-v1", "--run-id", "run", "--results-dir", results, "--num-envs", 4)
    process = subprocess.Popen(
        command("trainers", *arguments),
        env=surroundings(),
        cwd=results,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(results / "run" / "Pendulum-v1" / "progress.csv", process)
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return StoppedRun(results, process.returncode, output, errors)


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists() or len(path.read_text().splitlines()) < 5:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{path} did not grow"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_signal_saves_and_ends_well(number, stopped_runs, capfd):
    run = stopped_runs[number]
    assert run.returncode == 0
    assert "Traceback" not in run.errors
    assert (run.folder / "reward.png").read_bytes().startswith(b"\x89PNG")
    step = load_state(run.folder / "checkpoint.pt")["global_step"]
    assert step >= 400
    assert f"Pendulum-v1: {step:,} steps" in run.output
    assert json.loads((run.results / "run" / "run_logs" / "timers.json").read_text())["name"] == "root"
    before = summary_steps(run)
    assert step - 104 < before[-1] <= step

    resume_for_a_while(run, step)
    after = summary_steps(run)
    assert after[: len(before)] == before
    assert after == sorted(set(after))
    assert after[-1] > step


def test_a_killed_run_has_a_checkpoint_to_go_on_from(stopped_runs):
    run = stopped_runs[signal.SIGKILL]
    assert run.returncode == -signal.SIGKILL
    step = load_state(run.folder / "checkpoint.pt")["global_step"]
    assert step >= 400
    for path in run.folder.glob("Pendulum-v1-*.pt"):
        load_state(path)
    assert np.isfinite(load_policy(run.results / "run").act(np.zeros((2, 3), np.float32)).continuous).all()
    resume_for_a_while(run, step)


def summary_steps(run: StoppedRun) -> list[int]:
    lines = (run.folder / "progress.csv").read_text().splitlines()[1:]
    return [int(line.split(",")[0]) for line in lines]


def resume_for_a_while(run: StoppedRun, step: int) -> None:
    """Resume with the run's own file; the count must go on from where it was."""
    arguments = ["--resume", "--run-id", "run", "--results-dir", str(run.results)]
    assert main([*arguments, "--max-steps", str(step + 200)], "ppo") == 0
    assert step + 200 <= load_policy(run.results / "run").step < step + 204


def returns_by_hand(env_id: str, run: Path, seeds: range) -> list[float]:
    """Episode by episode with Gymnasium alone, the policy acting on one observation at a time."""
    policy, returns = load_policy(run), []
    for seed in seeds:
        env = gymnasium.make(env_id)
        observation, _ = env.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            action = policy.act(observation[None].astype(np.float32))
            if policy.spec.action_spec.continuous_size:
                space = env.action_space
                chosen = space.low + (action.continuous[0] + 1.0) / 2.0 * (space.high - space.low)
            else:
                chosen = int(action.discrete[0, 0])
            observation, reward, terminated, truncated, _ = env.step(chosen)
            total, over = total + float(reward), terminated or truncated
        env.close()
        returns.append(total)
    return returns


def test_evaluate_seeds_episode_i_with_s_plus_i(cartpole, capsys):
    run = cartpole / "pole"
    assert evaluate_main([str(run), "--episodes", "4", "--seed", "11", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"mean", "std", "returns"}
    assert result["returns"] == returns_by_hand("CartPole-v1", run, range(11, 15))
    assert result["mean"] == pytest.approx(np.mean(result["returns"]))
    assert result["std"] == pytest.approx(np.std(result["returns"]))


def test_evaluate_scales_continuous_actions_as_training_does(stopped_runs, capsys):
    results = stopped_runs[signal.SIGINT].results
    assert evaluate_main([str(results / "run"), "--episodes", "2", "--seed", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["returns"]
    # float32 actions and rewards, and a chaotic pendulum: close, not equal
    assert found == pytest.approx(returns_by_hand("Pendulum-v1", results / "run", range(5, 7)), rel=1e-2)


def test_evaluate_prints_a_line_per_episode(cartpole, capsys):
    assert evaluate_main([str(cartpole / "pole" / "CartPole-v1"), "--episodes", "3"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"mean \d+\.\d\d  std \d+\.\d\d  episodes 3", first)
    assert [line.split()[0] for line in rest] == ["0", "1", "2"]
    assert f"mean {np.mean([float(line.split()[1]) for line in rest]):.2f}" in first


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
