"""`python -m trainers.clone`: a run folder like any other, from demonstrations alone."""

import csv
import json
import shlex
import signal
from pathlib import Path

import numpy as np
import pytest
from command_tools import run_command, the_error, write_file
from mlagents_envs.base_env import ActionTuple
from printed_commands import printed_commands

from gym_adapters.make import make_env
from tests.shown import episode, write_shown
from trainers import load_policy
from trainers.config import load_settings
from trainers.networks.policy_network import PolicyNetwork
from trainers.playback.demonstrate import main as demonstrate_main
from trainers.playback.evaluation import main as evaluate_main
from trainers.records.checkpoint import load_state
from trainers.records.progress import LineDisplay
from trainers.training.cli import main as train_main
from trainers.training.clone import LEAST_DEVIATION, clone
from trainers.training.clone_command import main
from trainers.training.stopping import SAVING


def teacher_of_cartpole(path: Path, episodes: int = 6) -> Path:
    """A teacher that balances the pole: it pushes to where the pole falls."""
    env = make_env("CartPole-v1", episodes, seed=100)
    env.reset()
    spec = env.behavior_specs["CartPole-v1"]
    seen, done, paid = [], [], []
    for _ in range(120):
        decision, terminal = env.get_steps("CartPole-v1")
        assert len(decision) == episodes
        assert not len(terminal)
        view = decision.obs[0]
        push = (view[:, 2] + 0.3 * view[:, 3] + 0.05 * view[:, 1] + 0.02 * view[:, 0] > 0).astype(np.int32)
        seen.append(view.copy())
        done.append(push)
        paid.append(decision.reward.copy())
        env.set_actions("CartPole-v1", ActionTuple(discrete=push[:, None]))
        env.step()
    env.close()
    runs = (
        episode(
            spec,
            [[one[agent] for one in seen]],
            discrete=[one[agent] for one in done[:-1]],
            reward=[one[agent] for one in paid[1:]],
            ended=False,
        )
        for agent in range(episodes)
    )
    return write_shown(path, spec, *runs, name="CartPole-v1")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    return teacher_of_cartpole(tmp_path_factory.mktemp("teacher") / "pole.demo")


def cloned(folder: Path, demo: Path, *arguments: str, trainer: str = "ppo", **keys) -> Path:
    hyper = {"batch_size": 32, "learning_rate": 3e-3}
    file = write_file(
        folder / "clone.yaml",
        trainer_type=trainer,
        hyperparameters=hyper,
        network_settings={"hidden_units": 16, "num_layers": 1, "normalize": True},
        **keys,
    )
    place = ["--run-id", "clone", "--results-dir", str(folder / "runs"), "--seed", "1"]
    assert main([str(file), "--demo", str(demo), "--env", "CartPole-v1", *place, *arguments]) == 0
    return folder / "runs" / "clone"


def test_a_signal_ends_and_saves_it(teacher, tmp_path):
    said: list[str] = []

    class Impatient(LineDisplay):
        def say(self, text: str) -> None:
            said.append(text)
            if text.startswith("epoch 1:"):
                signal.raise_signal(signal.SIGINT)

    place = {"run_id": "clone", "results_dir": str(tmp_path)}
    settings = {"env_settings": {"env_path": "CartPole-v1"}, "checkpoint_settings": place}
    behavior = clone(
        load_settings({**settings, "behaviors": {"CartPole-v1": {}}}), str(teacher), 1000, Impatient()
    )
    assert (behavior / "checkpoint.pt").is_file()
    assert sum(line.startswith("epoch") for line in said) == 1
    assert SAVING in said


@pytest.mark.parametrize("trainer", ["ppo", "sac"])
def test_the_clone_does_as_well_as_its_teacher_and_its_run_is_like_any_other(
    trainer, teacher, tmp_path, capsys
):
    run = cloned(tmp_path, teacher, "--epochs", "60", trainer=trainer)
    assert "best: epoch" in capsys.readouterr().out
    assert evaluate_main([str(run), "--episodes", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mean"] > 400
    assert (run / "CartPole-v1.onnx").is_file()
    assert (run / "run_logs" / "training_status.json").is_file()
    with (run / "CartPole-v1" / "progress.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[-1]["Losses/Held-out Loss"]) < 0.5 * float(rows[0]["Losses/Held-out Loss"])
    policy = load_policy(run)
    assert policy.predict(np.zeros(4, np.float32)) in (0, 1)
    state = load_state(run / "CartPole-v1" / "checkpoint.pt")
    learned = 6 * 119 - 119  # one of six trajectories is held out
    assert state["observation_moments"]["count"] == 1 + learned
    assert load_settings(run / "configuration.yaml").behavior("CartPole-v1").behavioral_cloning is None


def test_training_starts_from_a_clone(teacher, tmp_path, capsys):
    cloned(tmp_path, teacher, "--epochs", "40")
    (words,) = [words for words in printed_commands(capsys.readouterr().out) if words[0] == "trainers"]
    more = ["--run-id", "more", "--max-steps", "600", "--seed", "2"]
    assert train_main([*words[1:], *more]) == 0
    before, after = (
        load_state(tmp_path / "runs" / run / "CartPole-v1" / "checkpoint.pt")["Policy"][
            "actor.layers.0.weight"
        ]
        for run in ("clone", "more")
    )
    assert (before - after).abs().max() < 0.5
    assert np.mean([float(value) for value in _returns(tmp_path / "runs" / "more")]) > 100


def test_the_command_that_it_prints_goes_on_from_the_clone(teacher, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    place = ["--run-id", "clone", "--results-dir", "all of them", "--set", "behaviors.*.max_steps=300"]
    assert main(["--env", "CartPole-v1", "--demo", str(teacher), "--epochs", "1", *place]) == 0
    (printed,) = [line for line in capsys.readouterr().out.splitlines() if "train on" in line]
    words = shlex.split(printed.partition(" -m trainers ")[2])
    assert train_main(words) == 0
    assert len(list(Path("all of them").glob("*/CartPole-v1/checkpoint.pt"))) == 2


@pytest.mark.parametrize(
    ("env", "verb", "command"),
    [
        ([], "watch", "trainers --run-id clone --resume --inference"),
        (["--env", "./Pole.x86_64"], "watch", "trainers --run-id clone --resume --inference"),
        (["--env", "gymnasium.envs:CartPole-v1"], "evaluate", "trainers.evaluate runs/clone --trust"),
    ],
    ids=["editor", "player", "module"],
)
def test_the_command_that_plays_the_clone_fits_its_environment(
    env, verb, command, teacher, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    file = write_file(tmp_path / "clone.yaml", network_settings={"hidden_units": 16, "num_layers": 1})
    assert main([str(file), "--demo", str(teacher), "--epochs", "1", "--run-id", "clone", *env]) == 0
    printed = capsys.readouterr().out.splitlines()
    (line,) = [line for line in printed if line.strip().startswith(("watch", "evaluate"))]
    assert line.split()[0] == verb
    assert line.endswith(f" -m {command}")


def test_another_algorithm_takes_its_own_file(teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ["--env", "CartPole-v1", "--demo", str(teacher), "--epochs", "1", "--run-id", "soft"]
    assert main([*given, "--set", "behaviors.*.trainer_type=sac"]) == 0
    state = load_state(tmp_path / "runs" / "soft" / "CartPole-v1" / "checkpoint.pt")
    assert state["trainer_type"] == "sac"


def _returns(run: Path) -> list[str]:
    with (run / "CartPole-v1" / "progress.csv").open(newline="") as stream:
        return [
            row["Environment/Cumulative Reward"]
            for row in csv.DictReader(stream)
            if row["Environment/Cumulative Reward"]
        ]


def test_continuous_actions_end_with_a_deviation_of_their_errors(tmp_path):
    place = ["--results-dir", str(tmp_path / "runs"), "--seed", "3"]
    file = write_file(
        tmp_path / "a.yaml", hyperparameters={"batch_size": 32, "buffer_size": 64, "learning_rate": 3e-3}
    )
    assert train_main([str(file), "--env", "Pendulum-v1", "--run-id", "first", *place], "ppo") == 0
    demo = str(tmp_path / "swing.demo")
    assert demonstrate_main([str(tmp_path / "runs" / "first"), "--out", demo, "--episodes", "2"]) == 0
    assert (
        main(
            [str(file), "--demo", demo, "--env", "Pendulum-v1", "--run-id", "clone", "--epochs", "30", *place]
        )
        == 0
    )
    policy: PolicyNetwork = load_policy(tmp_path / "runs" / "clone").policy
    found = float(policy.log_std.detach().exp())
    assert LEAST_DEVIATION - 1e-6 <= found < 0.5


def test_without_an_environment_the_demonstrations_say_what_the_behavior_is(teacher, tmp_path):
    file = write_file(tmp_path / "a.yaml")
    place = ["--results-dir", str(tmp_path / "runs"), "--run-id", "alone", "--seed", "1", "--epochs", "1"]
    assert main([str(file), "--demo", str(teacher), *place]) == 0
    assert load_policy(tmp_path / "runs" / "alone").name == "CartPole-v1"
    only = tmp_path / "b.yaml"
    only.write_text("behaviors: {Pole: {network_settings: {hidden_units: 8}}}")
    place[3] = "renamed"
    assert main([str(only), "--demo", str(teacher), *place]) == 0
    assert load_policy(tmp_path / "runs" / "renamed").name == "Pole"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--demo", "missing.demo"], "missing.demo: no such file or folder"),
        (["--demo", "{teacher}", "--epochs", "0"], "--epochs 0: expected 1 or more"),
        (["--demo", "{teacher}", "--env", "Pendulum-v1"], "behavior Pendulum-v1 has 1 continuous actions"),
        (["--demo", "{teacher}", "--set", "default_settings.trainer_type=dqn"], "no policy to clone"),
        (["--demo", "{teacher}", "--run-id", "../up"], "expected a folder name"),
        (["--demo", "{teacher}", "--initialize-from", "nothing"], "nothing"),
        (
            ["--demo", "{teacher}", "--set", "default_settings.hyperparameters.learning_rate=1e30"],
            "learning_rate",
        ),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_run(arguments, words, teacher, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("default_settings: {trainer_type: ppo, network_settings: {hidden_units: 8}}")
    given = [argument.format(teacher=teacher) for argument in arguments]
    assert main(["a.yaml", *given]) == 2
    assert words in the_error(capfd)
    assert not list(tmp_path.glob("runs/*/*"))


def test_the_command_refuses_without_a_traceback(tmp_path):
    (tmp_path / "bad.demo").write_bytes(b"nothing of the kind")
    done = run_command(tmp_path, "trainers.clone", "--demo", "bad.demo")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "error: bad.demo: no .demo file, or a damaged one; give a whole .demo file, or record it again\n"
    )
