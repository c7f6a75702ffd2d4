"""`python -m trainers.demonstrate`: what it records, one file for each behavior, and what it refuses."""

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from command_tools import REPOSITORY, run_command, the_error, write_file

from bridge.demonstrations import Trajectory, load_demonstrations, write_demonstrations
from gym_adapters.make import make_env
from tests.bridge.processes import write_player
from trainers import load_policy
from trainers.playback.demonstrate import main, record
from trainers.records.policy_file import LoadedPolicy, find_checkpoints
from trainers.training.cli import main as train_main


def test_an_episode_is_recorded_as_gymnasium_plays_it(cartpole, tmp_path, capsys):
    run, out = cartpole / "pole", tmp_path / "expert.demo"
    assert main([str(run), "--out", str(out), "--episodes", "3", "--seed", "11"]) == 0
    assert "episodes      3 ended" in capsys.readouterr().out
    found = load_demonstrations(out)
    policy = load_policy(run)
    assert found.name == "CartPole-v1"
    found.require_fit(policy.name, policy.spec)
    for seed, episode in zip(range(11, 14), found.trajectories, strict=True):
        env = gymnasium.make("CartPole-v1")
        observation, _ = env.reset(seed=seed)
        for step in range(len(episode)):
            np.testing.assert_array_equal(episode.observations[0][step], observation)
            action = policy.act(observation[None]).discrete[0]
            assert episode.discrete[step] == action
            observation, reward, terminated, truncated, _ = env.step(int(action[0]))
            assert episode.reward[step] == reward
        np.testing.assert_array_equal(episode.observations[0][-1], observation)
        assert (episode.ended, episode.interrupted) == (terminated or truncated, truncated)
        env.close()


def test_samples_are_repeatable_and_differ_from_the_likeliest_actions(cartpole, tmp_path):
    def actions(name: str, *arguments: str) -> list[int]:
        out = tmp_path / f"{name}.demo"
        assert main([str(cartpole / "pole"), "--out", str(out), "--episodes", "2", *arguments]) == 0
        return load_demonstrations(out).decisions.discrete.ravel().tolist()

    assert actions("a", "--stochastic") == actions("b", "--stochastic") != actions("c")


def court_run(folder: Path) -> Path:
    """A run of two behaviors, with masks, turns, and agents that end at different times."""
    shutil.copytree(REPOSITORY / "tests" / "bridge" / "bridge_games", folder / "court_games")
    file = write_file(folder / "court.yaml", max_steps=300)
    arguments = ["--env", "court_games/court_v0", "--run-id", "court", "--num-envs", "2", "--seed", "1"]
    assert train_main([str(file), *arguments, "--results-dir", str(folder / "runs")]) == 0
    return folder / "runs" / "court"


@pytest.mark.usefixtures("_games_here")
def test_several_behaviors_are_files_of_their_own_with_masks_and_endings(tmp_path):
    run = court_run(tmp_path)
    assert main([str(run), "--out", "shown/court.demo", "--episodes", "4", "--trust"]) == 0
    files = sorted(path.name for path in Path("shown").iterdir())
    assert files == ["court-judge.demo", "court-runner.demo"]
    judge, runner = (load_demonstrations(Path("shown", name)) for name in files)
    assert (judge.name, len(judge.trajectories)) == ("judge", 4)
    assert (runner.name, len(runner.trajectories)) == ("runner", 12)
    assert all(run.forbidden[:, 2].all() and not run.forbidden[:, :2].any() for run in judge.trajectories)
    assert all((run.discrete[:, 0] < 2).all() for run in judge.trajectories)
    assert {len(run) for run in runner.trajectories} >= {2, 3}
    assert all(run.interrupted != (len(run) == 2) for run in runner.trajectories)
    assert all(run.ended for run in (*judge.trajectories, *runner.trajectories))


@pytest.fixture
def _games_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def test_the_first_episodes_are_recorded_to_their_end_where_agents_come_and_go(cartpole):
    """Short episodes are over first; taking whichever ends first would show short ones only."""
    policy = load_policy(cartpole / "pole")

    def played(limit: int | None, agents: int) -> tuple[Trajectory, ...]:
        env = make_env("CartPole-v1", agents, seed=0)
        try:
            return record(env, [policy], limit)["CartPole-v1"].trajectories
        finally:
            env.close()

    every = played(None, 4)
    first_two = played(2, 4)
    assert [len(run) for run in first_two] == [len(run) for run in every[:2]]
    more = played(7, 4)
    assert [len(run) for run in more[:4]] == [len(run) for run in every]
    assert len(more) == 7


TURNS = "tests.bridge.bridge_games/turns_v0"


def turns_run(folder: Path, option: str) -> list[LoadedPolicy]:
    """The policies of a run in a game of turns, whose second player asks after the reset."""
    file = write_file(folder / "turns.yaml", max_steps=100)
    arguments = ["--env", TURNS, "--run-id", option, "--seed", "1", "--results-dir", str(folder)]
    assert train_main([str(file), *arguments, "--set", f"env_settings.env_options.{option}=true"]) == 0
    return [load_policy(path) for path in find_checkpoints(folder / option)]


def moves(runs: Sequence[Trajectory]) -> list[tuple[int, float]]:
    """The length of each episode, and what each of its moves was paid."""
    assert all(len(set(run.reward.tolist())) == 1 and run.ended for run in runs)
    return [(len(run), float(run.reward[0])) for run in runs]


@pytest.mark.parametrize("option", ["roles", "teams"])
def test_both_players_of_a_game_of_turns_are_recorded(tmp_path, option):
    policies = turns_run(tmp_path, option)
    pays: dict[str, set[float]] = {}
    env = make_env(TURNS, 5, 0, {option: True})
    found = record(env, policies)
    env.close()
    for name, one in found.items():
        write_demonstrations(tmp_path / f"{name}.demo", one)
        runs = moves(load_demonstrations(tmp_path / f"{name}.demo").trajectories)
        assert len(runs) == (10 if option == "teams" else 5)
        pays[name] = {pay for _, pay in runs}
    assert pays == ({"turns_v0": {1.0, 2.0}} if option == "teams" else {"white": {1.0}, "black": {2.0}})


def test_a_player_is_recorded_too(cartpole, tmp_path):
    player = write_player(tmp_path, "-m", "bridge.player", "--env", "CartPole-v1", "--agents", 2)
    words = (cartpole / "pole", "--env", player, "--episodes", 3, "--out", "p.demo")
    done = run_command(tmp_path, "trainers.demonstrate", *words)
    assert done.returncode == 0, done.stderr
    found = load_demonstrations(tmp_path / "p.demo")
    assert (found.name, len(found.returns)) == ("CartPole-v1", 3)
    assert [float(len(run)) for run in found.trajectories] == found.returns


def test_another_version_of_the_task_is_recorded_under_its_own_name(cartpole, tmp_path):
    out = tmp_path / "old.demo"
    assert main([str(cartpole / "pole"), "--out", str(out), "--env", "CartPole-v0", "--episodes", "2"]) == 0
    found = load_demonstrations(out)
    assert (found.name, len(found.returns)) == ("CartPole-v0", 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "expert.dem"], "--out expert.dem: expected a name that ends in .demo"),
        (["--out", "there.demo"], "there.demo exists already; use --force"),
        (["--out", "folder.demo", "--force"], "--out folder.demo: is a folder"),
        (["--out", "a.demo", "--episodes", "0"], "--episodes 0: expected 1 to"),
        (["--out", "a.demo", "--env", "CartPol-v1"], "CartPol-v1"),
        (["--out", "a.demo", "--env", "Pendulum-v1"], "policy is for CartPole-v1"),
        (["--out", "a.demo", "--checkpoint", "7"], "holds no checkpoint"),
    ],
)
def test_a_mistake_is_one_line(cartpole, tmp_path, monkeypatch, capfd, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("there.demo").write_bytes(b"")
    Path("folder.demo").mkdir()
    assert main([str(cartpole / "pole"), *arguments]) == 2
    assert words in the_error(capfd)
    assert {path.name for path in tmp_path.iterdir()} == {"there.demo", "folder.demo"}


def test_a_full_disk_costs_no_earlier_recording(cartpole, tmp_path, monkeypatch, capfd):
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "expert.demo"
    out.write_bytes(b"earlier")
    monkeypatch.setattr(os, "fsync", full)
    assert main([str(cartpole / "pole"), "--out", str(out), "--force", "--episodes", "2"]) == 2
    assert "expert.demo: cannot be written (No space left on device)" in the_error(capfd)
    assert main([str(cartpole / "pole"), "--out", str(tmp_path / "other.demo"), "--episodes", "2"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["expert.demo"]
    assert out.read_bytes() == b"earlier"


def test_a_player_that_the_run_names_is_started_only_if_it_is_trusted(cartpole, tmp_path, capfd):
    run = shutil.copytree(cartpole / "pole", tmp_path / "pole")
    configuration = run / "configuration.yaml"
    configuration.write_text(
        configuration.read_text().replace("env_path: CartPole-v1", "env_path: ./Build/Game.x86_64")
    )
    assert main([str(run), "--out", str(tmp_path / "a.demo")]) == 2
    assert "it would start the program ./Build/Game.x86_64; add --trust" in the_error(capfd)


def test_the_command_refuses_without_a_traceback(tmp_path):
    done = run_command(tmp_path, "trainers.demonstrate", "missing", "--out", "a.demo")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: missing: no such run folder or checkpoint\n"
