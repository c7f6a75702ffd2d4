"""Several ranks under torchrun: one run folder, other numbers of ranks, and what happens when one of them fails."""

import csv
import json
import socket
from pathlib import Path

import pytest
import torch
import yaml
from command_tools import write_file
from torchrun import errors_of, run_ranks

from bridge.make import SEEDS_PER_PLAYER, player_options
from gym_adapters.errors import UserError
from trainers.config import load_settings
from trainers.training.cli import main
from trainers.training.environments import own_environment

RANK_1 = f"rank 1 on {socket.gethostname()}"
RUNS = Path(__file__).parents[1] / "rank_runs.py"


def train(
    folder: Path,
    *arguments: object,
    ranks: int = 2,
    options: tuple[str, ...] = (),
    what: str,
    **misfortune,
):
    """Train in the environment of misfortunes."""
    given = [f"--set=env_settings.env_options={json.dumps({'what': what, **misfortune})}"]
    words = ["-m", "trainers.ppo", "small.yaml", "--env", "rank_envs:Misfortune-v0", *given, *arguments]
    return run_ranks(ranks, *words, folder=folder, options=options)


def steps_of(run: Path, behavior: str) -> list[int]:
    with (run / behavior / "progress.csv").open(newline="") as stream:
        return [int(row["step"]) for row in csv.DictReader(stream)]


def checkpoint_of(run: Path, behavior: str) -> dict:
    return torch.load(run / behavior / "checkpoint.pt", weights_only=True)


def test_two_ranks_write_one_run_and_one_goes_on_with_it(tmp_path):
    write_file(
        tmp_path / "small.yaml", network_settings={"hidden_units": 8, "num_layers": 1, "normalize": True}
    )
    words = ["-m", "trainers.ppo", "small.yaml", "--env", "CartPole-v1", "--num-envs", 2, "--run-id", "pole"]
    first = run_ranks(2, *words, "--seed", 3, folder=tmp_path)
    assert first.returncode == 0, first.stderr
    run = tmp_path / "runs" / "pole"
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["pole"]
    assert sorted(path.name for path in run.iterdir()) == [
        *("CartPole-v1", "CartPole-v1.onnx", "configuration.yaml", "run_logs")
    ]
    assert len(list((run / "CartPole-v1").glob("events.*"))) == 1
    steps = steps_of(run, "CartPole-v1")
    # Reports are due every 100 steps; in each step of the environment all ranks have four agents.
    assert len(steps) == 4
    assert all(0 <= step - due < 8 for step, due in zip(steps, (100, 200, 300, 400), strict=True))
    assert first.stdout.count("Mean Reward") == 4
    state = checkpoint_of(run, "CartPole-v1")
    assert 400 <= state["global_step"] < 408
    assert state["observation_moments"]["count"] > 128
    assert state["episodes"] > 10

    options = [
        "small.yaml",
        "--env",
        "CartPole-v1",
        "--num-envs",
        "2",
        "--run-id",
        "pole",
        "--resume",
        "--max-steps",
        "700",
    ]
    assert main(options, "ppo") == 0
    later = checkpoint_of(run, "CartPole-v1")
    assert 700 <= later["global_step"] < 704
    assert later["episodes"] > state["episodes"]
    assert len(steps_of(run, "CartPole-v1")) == 7


def test_a_killed_rank_is_named_and_torchrun_starts_all_again(tmp_path):
    """The run goes on from the newest checkpoint, although no option says so."""
    write_file(tmp_path / "small.yaml", max_steps=600)
    done = train(
        *(tmp_path, "--seed", 1), options=("--max-restarts", "1"), what="killed", marker="once", at=150
    )
    assert done.returncode == 0, done.stderr
    (error,) = errors_of(done.stderr)
    assert error.startswith(f"error: {RANK_1} ended without a word")
    (run,) = (tmp_path / "runs").iterdir()
    assert "goes on at" in done.stdout
    assert checkpoint_of(run, "Misfortune-v0")["global_step"] >= 600
    assert len(steps_of(run, "Misfortune-v0")) >= 5


def test_a_rank_that_hangs_is_named(tmp_path):
    write_file(tmp_path / "small.yaml", max_steps=1_000_000)
    done = train(tmp_path, "--run-id", "hung", "--rank-timeout", 4, what="hangs")
    assert done.returncode != 0
    (error,) = errors_of(done.stderr)
    assert error.startswith(f"error: {RANK_1} did not come to the other ranks within 4 s"), error
    assert checkpoint_of(tmp_path / "runs" / "hung", "Misfortune-v0")["global_step"] > 100


def test_all_ranks_see_the_same_and_may_train_once_more_whatever_came_of_it(tmp_path):
    done = run_ranks(2, RUNS, tmp_path, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    for failed in ("other file", "other observations", "raised"):
        assert {each[failed].pop("speaks") for each in (first, second)} == {False, True}, "one rank tells it"
    assert first == second
    # Self-play, lessons, behaviors that come late, and ends before max_steps.
    assert first["self-play"]["duel_v0"]["finished"]
    assert first["lessons"]["Task"]["episodes"] == first["lessons"]["Task"]["steps"] // 4
    assert "{'mass': 1.0}" in first["told"]
    assert "{'slope': 1.0}" in first["told"]
    assert first["told"].count("reset") == 2
    assert first["late"]["Task"]["finished"]
    assert first["early"]["Task"]["finished"]
    assert first["early"]["Task"]["steps"] < 5000
    assert first["best"] == 2.5, "the agents of Taught begin in the midst of an episode"
    assert 900 <= first["evaluated"]["Task"]["steps"] < 1000, "the third evaluation is the second in vain"
    assert not first["stopped"]["Task"]["finished"]
    # What is refused leaves nothing; the line names the rank.
    assert first["other file"]["error"] == (
        f"{RANK_1} differs from rank 0 on {socket.gethostname()}: default_settings.max_steps is 1001 instead of 1000; "
        "give all ranks the same training file and options"
    )
    assert first["other observations"]["error"].startswith("behavior Misfortune-v0: rank 1 has ")
    assert "use the same environment on all ranks" in first["other observations"]["error"]
    assert not (tmp_path / "refused").exists()
    assert not (tmp_path / "wide").exists()
    # SIGTERM to rank 1 saves the run, and ends it on both.
    stopped = first["signalled"]["Misfortune-v0"]
    assert not stopped["finished"]
    assert 250 <= stopped["steps"] < 1_000_000
    assert checkpoint_of(tmp_path / "signalled", "Misfortune-v0")["global_step"] == stopped["steps"]
    # Rank 1 takes 20 ms for a step, and rank 0 next to nothing; rank 1 ends its part of a rollout early.
    fast, slow = (int((tmp_path / rank).read_text()) for rank in "01")
    assert first["uneven"]["Misfortune-v0"]["steps"] >= 400
    assert fast > 2 * slow
    # What the environment of one rank raises ends the run on both, and it is saved.
    assert first["raised"]["error"].startswith(
        f"{RANK_1}: the environment raised RuntimeError: no luck today"
    )
    assert checkpoint_of(tmp_path / "raised", "Misfortune-v0")["global_step"] > 100


def test_environments_and_players_of_all_ranks_are_numbered_through():
    settings = load_settings({"env_settings": {"env_path": "Build/Walker", "num_envs": 4, "seed": 7}})
    assert own_environment(settings, 0) is settings
    own = own_environment(settings, 2)
    assert own.env_settings.seed == 7 + 8
    assert own.env_settings.first_env == 8
    options = player_options(own, own.env_settings.first_env + 1)
    assert (options.worker_id, options.seed) == (9, 15 + 9 * SEEDS_PER_PLAYER)
    assert yaml.safe_dump(own.model_dump(mode="json")).count("first_env") == 0


def test_the_editor_has_one_rank():
    with pytest.raises(UserError, match="Unity Editor connects to one trainer"):
        own_environment(load_settings({"env_settings": {"seed": 0}}), 1)
