"""A run that starts from a policy for other actions is refused, and one with other observations is told."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from scripted_env import make_spec
from task_envs import TaskEnv, noise, pay_one

from trainers import UserError, load_policy, train
from trainers.config import load_settings
from trainers.experience.playing import play_all

SHAPES = ((3,), (2,))


def task(shapes: tuple[tuple[int, ...], ...], branches: tuple[int, ...]) -> TaskEnv:
    return TaskEnv(make_spec(*shapes, branches=branches), noise(*shapes), pay_one)


def settings(run: str, trainer_type: str, steps: int = 64, **checkpoints: Any) -> Any:
    hyper = {"sac": {"batch_size": 16, "buffer_init_steps": 16}}.get(
        trainer_type, {"batch_size": 16, "buffer_size": 32}
    )
    behavior = {
        "trainer_type": trainer_type,
        "hyperparameters": hyper,
        "network_settings": {"hidden_units": 4, "num_layers": 1},
        "max_steps": steps,
    }
    return load_settings(
        {"behaviors": {"Task": behavior}, "checkpoint_settings": {"run_id": run, **checkpoints}}
    )


@pytest.fixture(params=["ppo", "sac"])
def trainer_type(request: pytest.FixtureRequest) -> str:
    trained: str = request.param
    train(task(SHAPES, (2, 3)), settings("first", trained))
    return trained


@pytest.mark.parametrize("branches", [(3, 2), (5,)])
def test_as_many_weights_for_other_actions_are_refused(trainer_type: str, branches: tuple[int, ...]) -> None:
    words = f"made for 2 × 3 discrete actions, .* has {' × '.join(map(str, branches))} discrete actions"
    other = task(SHAPES, branches)
    with pytest.raises(UserError, match=f"first.Task.checkpoint.pt: {words}"):
        train(other, settings("second", trainer_type, initialize_from="first"))
    with pytest.raises(UserError, match=words):
        train(other, settings("first", trainer_type, steps=99, resume=True))
    with pytest.raises(UserError, match=f"policy Task: {words}"):
        play_all(other, [load_policy("runs/first")])


@pytest.mark.parametrize("shapes", [((2,), (3,)), ((5,),)])
def test_as_many_numbers_of_other_observations_are_told(
    trainer_type: str, shapes: tuple[tuple[int, ...], ...], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    train(task(shapes, (2, 3)), settings("second", trainer_type, initialize_from="first"))
    assert "Task: learned from the observations obs0 [3], obs1 [2], this run has" in capsys.readouterr().out
    shutil.rmtree(Path("runs/second"))
    train(task(SHAPES, (2, 3)), settings("second", trainer_type, initialize_from="first"))
    assert "learned from the observations" not in capsys.readouterr().out


def test_a_run_without_the_behavior_says_which_it_has(trainer_type: str) -> None:
    wanted = settings("second", trainer_type, initialize_from="first")
    own = wanted.behaviors["Task"]
    env = task(SHAPES, (2, 3))
    env.name = "Other"
    with pytest.raises(UserError, match=r"first has no behavior Other, it has Task; .* init_path"):
        train(env, wanted.model_copy(update={"behaviors": {"Other": own}}))
    longer = settings("first", trainer_type, steps=99, resume=True)
    with pytest.raises(
        UserError, match="no checkpoint to resume; the run has Task; give the behavior its old"
    ):
        train(env, longer.model_copy(update={"behaviors": {"Other": own}}))
    named = own.model_copy(update={"init_path": "runs/first/Task/checkpoint.pt"})
    train(env, wanted.model_copy(update={"behaviors": {"Other": named}}))
