"""Evaluations while training: what they report, what follows them, and that training does not notice them."""

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learner_tools import assert_same
from run_tools import Stopwatch, options, read_events, read_progress
from scripted_env import make_spec
from task_envs import TaskEnv, clock
from training.test_curriculum import Taught, lessons

from tests.bridge.processes import free_port, write_player
from tests.needs import PETTINGZOO, SHELL
from trainers import Callback, Moment, Outcome, UserError, train
from trainers.config import RunSettings, load_settings
from trainers.playback.evaluation import main as evaluate_main
from trainers.records.checkpoint import load_state
from trainers.records.run_status import read_status
from trainers.training.environments import make_environment
from trainers.training.evaluation import EVALUATION_SEED, evaluation_settings

EVERY = 250
SMALL = {"hidden_units": 8, "num_layers": 1, "normalize": True}
ROLLOUT = {"batch_size": 32, "buffer_size": 128}
REPLAY = {"batch_size": 16, "buffer_size": 1000, "buffer_init_steps": 100}
MEMORY = {"memory": {"memory_size": 8, "sequence_length": 8}}
CASES: list[Any] = [
    pytest.param("CartPole-v1", "ppo", ROLLOUT, {}, id="ppo"),
    pytest.param("CartPole-v1", "ppo", ROLLOUT, MEMORY, id="ppo with memory"),
    pytest.param("Pendulum-v1", "a2c", ROLLOUT, {}, id="a2c"),
    pytest.param("CartPole-v1", "dqn", REPLAY, {}, id="dqn"),
    pytest.param("CartPole-v1", "pqn", ROLLOUT, {}, id="pqn"),
    pytest.param("Pendulum-v1", "sac", REPLAY, {}, id="sac"),
    pytest.param("CartPole-v1", "poca", ROLLOUT, {}, id="poca alone"),
    pytest.param("mpe2/simple_spread_v3", "poca", ROLLOUT, {}, id="poca", marks=PETTINGZOO),
    pytest.param("mpe2/simple_adversary_v3", "ppo", ROLLOUT, {}, id="two behaviors", marks=PETTINGZOO),
]


def file(folder: Path, env_id: str, run_id: str = "run", **behavior: Any) -> dict[str, Any]:
    return {
        "default_settings": {"max_steps": 600, "summary_freq": 200, **behavior},
        "env_settings": {"env_path": env_id, "num_envs": 4, "seed": 5},
        "checkpoint_settings": {"run_id": run_id, "results_dir": str(folder)},
    }


def best_of(folder: Path) -> float:
    return load_state(folder / "best.pt")["best_evaluation"]


def status_of(folder: Path) -> dict[str, Any]:
    return read_status(folder.parent / "run_logs" / "training_status.json")[folder.name]


@pytest.mark.parametrize(("env_id", "kind", "hyper", "network"), CASES)
def test_training_does_not_notice_it(tmp_path, env_id, kind, hyper, network):
    common = {"trainer_type": kind, "hyperparameters": hyper, "network_settings": {**SMALL, **network}}
    evaluated = {"evaluation_freq": EVERY, "evaluation_episodes": 2}
    train(make_environment, file(tmp_path, env_id, "without", **common))
    outcomes = train(make_environment, file(tmp_path, env_id, "with", **common, **evaluated))
    for outcome in outcomes.values():
        name = outcome.folder.name
        states = [load_state(tmp_path / run / name / "checkpoint.pt") for run in ("with", "without")]
        assert_same(*states)
        rows = [row for row in read_progress(tmp_path / "with", name) if row["Evaluation/Return"]]
        assert [int(row["step"]) // EVERY for row in rows] == [1, 2]
        assert best_of(outcome.folder) == outcome.best_return


def test_an_environment_that_takes_global_random_numbers_does_not_notice_it(tmp_path):
    def made(settings: RunSettings) -> TaskEnv:
        def look(rng: np.random.Generator, age: np.ndarray):
            drawn = np.random.normal(size=(len(age), 2)) + random.random() + torch.randn(()).item()
            return [drawn.astype(np.float32)], None

        return TaskEnv(make_spec((2,), continuous=1), look, lambda obs, action: obs[0][:, 0])

    states = []
    for keys in ({}, {"evaluation_freq": 200, "evaluation_episodes": 2}):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        train(made, options(tmp_path, f"run{len(keys)}", behavior={"max_steps": 900, **keys}))
        states.append(load_state(tmp_path / f"run{len(keys)}" / "Task" / "checkpoint.pt"))
    assert_same(*states)


def test_a_score_is_what_trainers_evaluate_prints_for_the_checkpoint(tmp_path, capsys):
    keys = {"trainer_type": "ppo", "hyperparameters": ROLLOUT, "network_settings": {**SMALL, **MEMORY}}
    keys |= {"evaluation_freq": 300, "evaluation_episodes": 3, "checkpoint_interval": 300}
    train(make_environment, file(tmp_path, "CartPole-v1", **keys))
    folder = tmp_path / "run" / "CartPole-v1"
    for row in read_progress(tmp_path / "run", "CartPole-v1"):
        if row["Evaluation/Return"]:
            path = folder / f"CartPole-v1-{row['step']}.pt"
            capsys.readouterr()
            assert (
                evaluate_main([str(path), "--episodes", "3", "--seed", str(EVALUATION_SEED), "--json"]) == 0
            )
            told = json.loads(capsys.readouterr().out)
            assert f"{told['mean']:.6g}" == row["Evaluation/Return"] == row["Evaluation/Episode Length"]
            assert f"{told['std']:.6g}" == row["Evaluation/Return Deviation"]


class Rising:
    """Pays 1 for each of four decisions in training. In the n-th evaluation it pays what `scores` says, in all."""

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)
        self.made: list[TaskEnv] = []
        self.seeds: list[int] = []

    def env(self, pay: float, agents: int = 4) -> TaskEnv:
        spec = make_spec((4,), continuous=1)
        return TaskEnv(spec, clock, lambda obs, action: np.full(agents, pay), agents, together=True)

    def __call__(self, settings: RunSettings) -> TaskEnv:
        self.seeds.append(settings.env_settings.seed)
        self.made.append(self.env(self.scores.pop(0) / 4 if self.scores else 0.0))
        return self.made[-1]

    def train(self, folder: Path, behavior: dict[str, Any], **rest: Any) -> Outcome:
        keys = {"evaluation_freq": EVERY, "evaluation_episodes": 4, **behavior}
        callbacks = rest.pop("callbacks", [])
        given = options(folder, behavior=keys, **rest)
        return train(self.env(1.0), given, callbacks=callbacks, evaluation_env=self)["Task"]


def test_the_best_checkpoint_follows_it_also_through_a_resume(tmp_path):
    rising = Rising(3.0, 8.0, 2.0)
    outcome = rising.train(tmp_path, {"max_steps": 800})
    assert rising.seeds == [EVALUATION_SEED] * 3
    assert all(env.closed for env in rising.made)
    assert outcome.best_return == best_of(outcome.folder) == 8.0
    assert load_state(outcome.folder / "best.pt")["global_step"] == 2 * EVERY
    rows = read_progress(tmp_path / "first")
    assert [float(row["Evaluation/Return"]) for row in rows if row["Evaluation/Return"]] == [3.0, 8.0, 2.0]
    assert [scalar.value for scalar in read_events(tmp_path / "first").Scalars("Evaluation/Return")] == [
        3,
        8,
        2,
    ]
    later = Rising(7.0, 9.0)
    outcome = later.train(tmp_path, {"max_steps": 1300}, resume=True)
    assert outcome.best_return == 9.0
    assert load_state(outcome.folder / "best.pt")["global_step"] >= 5 * EVERY
    rows = read_progress(tmp_path / "first")
    found = [
        (int(row["step"]) // EVERY, row["Evaluation/Return"]) for row in rows if row["Evaluation/Return"]
    ]
    assert found == [(1, "3"), (2, "8"), (3, "2"), (4, "7"), (5, "9")]


def test_an_evaluation_that_was_due_is_made_up_for(tmp_path):
    class Stop(Rising):
        def __call__(self, settings: RunSettings) -> TaskEnv:
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("the signal leaves at once")

    outcome = Stop().train(tmp_path, {"max_steps": 1000})
    assert not outcome.finished
    assert EVERY <= outcome.steps < EVERY + 4
    assert status_of(outcome.folder)["next_evaluation"] == EVERY
    rising = Rising(5.0, 6.0)
    rising.train(tmp_path, {"max_steps": 600}, resume=True)
    rows = [row for row in read_progress(tmp_path / "first") if row["Evaluation/Return"]]
    assert [int(row["step"]) // EVERY for row in rows] == [1, 2]
    assert int(rows[0]["step"]) <= outcome.steps + 4


def test_returns_of_training_and_of_evaluations_are_not_compared(tmp_path):
    train(Rising().env(1.0), options(tmp_path, behavior={"max_steps": 1000, "patience": 50}))
    outcome = Rising(1.5, 1.0).train(tmp_path, {"max_steps": 1500, "patience": 50}, resume=True)
    assert outcome.best_return == 1.5, "and not 4, the mean return of training"
    assert status_of(outcome.folder)["early_stop"]["best"] == 1.5


@pytest.mark.parametrize(
    ("keys", "scores", "told"),
    [
        ({"stop_at_reward": 6.0}, [3.0, 5.0, 6.5], "evaluation is 6.50, so stop_at_reward (6) is reached"),
        (
            {"patience": 2},
            [3.0, 5.0, 4.0, 5.0],
            "evaluation has not risen above 5.00 in 2 evaluations (patience)",
        ),
    ],
)
def test_early_ends_follow_it(tmp_path, capsys, keys, scores, told):
    rising = Rising(*scores, 9.0, 9.0)
    outcome = rising.train(tmp_path, {"max_steps": 100_000, **keys})
    assert outcome.finished
    assert outcome.steps // EVERY == len(scores) == len(rising.made)
    assert capsys.readouterr().out.count(f"Task: the mean return of an {told}; training ends") == 1


def test_callbacks_and_the_console_hear_of_it(tmp_path, capsys):
    class Diary(Callback):
        heard: list[float]

        def evaluation(self, moment: Moment) -> None:
            self.heard = [*getattr(self, "heard", []), moment.figures["Evaluation/Return"]]

    diary = Diary()
    Rising(3.0, 8.0).train(tmp_path, {"max_steps": 500}, callbacks=[diary])
    assert diary.heard == [3.0, 8.0]
    out = capsys.readouterr().out
    assert "Task: evaluated at 252 steps: return 3.00 ± 0 in 4 episodes, length 4.00, best 3.00\n" in out


def test_an_environment_with_fewer_agents_plays_until_the_episodes_have_ended(tmp_path):
    rising = Rising(3.0)
    rising.train(tmp_path, {"max_steps": 300, "evaluation_episodes": 10})
    assert len(rising.made) == 1


def test_environments_of_evaluations_have_the_lesson_of_the_run(tmp_path):
    made: list[Taught] = []

    def make(settings: RunSettings) -> Taught:
        made.append(Taught())
        return made[-1]

    parameters = {"mass": lessons({"measure": "progress", "threshold": 0.5})}
    given = options(tmp_path, behavior={"max_steps": 1000, "evaluation_freq": 200, "evaluation_episodes": 1})
    train(make, {**given, "environment_parameters": parameters})
    masses = [env.told[0]["mass"] for env in made[1:]]
    assert masses == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert all(env.told[1] == "reset" for env in made[1:])


@SHELL
def test_a_player_has_one_of_its_own_which_stays(tmp_path):
    player = write_player(tmp_path, "-m", "bridge.player", "--env", "CartPole-v1", "--agents", 3)
    given = file(tmp_path, str(player), evaluation_freq=200, evaluation_episodes=4, max_steps=500)
    given["env_settings"] |= {"num_envs": 1, "base_port": free_port()}
    outcome = train(make_environment, given)["CartPole-v1"]
    rows = [row for row in read_progress(tmp_path / "run", "CartPole-v1") if row["Evaluation/Return"]]
    assert [int(row["step"]) // 200 for row in rows] == [1, 2]
    assert outcome.best_return == pytest.approx(
        max(float(row["Evaluation/Return"]) for row in rows), rel=1e-5
    )
    logs = sorted(path.name for path in (tmp_path / "run" / "run_logs").glob("*.log"))
    assert len(logs) == 2, "that of the player that is trained in, and one more"


@SHELL
def test_in_a_player_a_role_that_asks_after_the_reset_is_evaluated(tmp_path):
    game = ["-m", "bridge.player", "--env", "bridge_games/turns_v0", "--agents", 3]
    player = write_player(tmp_path, *game, "--option", "roles=true", "--option", "rounds=4")
    given = file(tmp_path, str(player), evaluation_freq=200, evaluation_episodes=4, max_steps=300)
    given["env_settings"] |= {"num_envs": 1, "base_port": free_port()}
    outcomes = train(make_environment, given)
    assert {name: outcome.best_return for name, outcome in outcomes.items()} == {"white": 2.0, "black": 4.0}


def test_its_environments_are_numbered_after_those_of_all_ranks():
    env = {"num_envs": 4, "seed": 7, "env_options": {"life_loss_info": True, "stack_num": 2}}
    player = load_settings({"env_settings": {**env, "env_path": "Build/Walker", "env_options": {}}})
    own = evaluation_settings(player, 10, ranks=3).env_settings
    assert (own.first_env, own.num_envs, own.seed) == (12, 1, EVALUATION_SEED)
    game = load_settings({"env_settings": {**env, "env_path": "ALE/Assault-v5"}})
    own = evaluation_settings(game, 10, ranks=1).env_settings
    assert (own.num_envs, own.env_options) == (10, {"stack_num": 2}), "whole games"


def test_what_cannot_be_evaluated_is_refused_before_anything_is_written(tmp_path):
    given = options(tmp_path, behavior={"evaluation_freq": 100})
    with pytest.raises(UserError, match="evaluation_freq needs environments besides the one"):
        train(Stopwatch().env(), given)
    with pytest.raises(UserError, match="the Unity Editor is only one; use --env with a built player"):
        train(make_environment, given)
    with pytest.raises(UserError, match="evaluation_freq has no use with self_play"):
        load_settings(options(tmp_path, behavior={"evaluation_freq": 100, "self_play": {}}))
    assert not (tmp_path / "first").exists()
    env = Stopwatch().env()
    with pytest.raises(
        UserError, match=r"^evaluation: the function made the environment that the run trains in"
    ):
        train(lambda settings: env, given)


def test_an_evaluation_that_fails_costs_nothing(tmp_path):
    def fail(settings: RunSettings) -> TaskEnv:
        raise UserError("no such place")

    given = options(tmp_path, behavior={"evaluation_freq": EVERY})
    with pytest.raises(UserError, match=r"^evaluation: no such place"):
        train(Rising().env(1.0), given, evaluation_env=fail)
    assert load_state(tmp_path / "first" / "Task" / "checkpoint.pt")["global_step"] >= EVERY


def test_a_run_that_only_watches_is_not_evaluated(tmp_path):
    Rising(3.0).train(tmp_path, {"max_steps": 300})
    given = options(
        tmp_path, behavior={"max_steps": 600, "evaluation_freq": 100}, resume=True, inference=True
    )
    train(Stopwatch(stop_after=200).env(branches=()), given)
