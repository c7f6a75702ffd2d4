"""The trainer as a library: `from trainers import train, load_policy`."""

import threading
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
import yaml
from command_tools import SMALL
from mlagents_envs.base_env import ActionTuple
from scripted_env import make_spec
from task_envs import TaskEnv, noise, one_hot

import trainers
from gym_adapters import make_env
from gym_adapters.actions import checked_actions
from trainers import LoadedPolicy, Outcome, UserError, load_policy, train
from trainers.config import RunSettings, load_settings
from trainers.training.callbacks import Callback

OPTIONS: dict[str, Any] = {
    "behaviors": {"Task": {**SMALL, "max_steps": 300}},
    "env_settings": {"seed": 4},
}


def hybrid_env(seed: int = 0) -> TaskEnv:
    """A vector and a choice to be seen, two numbers and two branches to be acted."""

    def look(rng, age):
        return [
            rng.normal(size=(len(age), 3)).astype(np.float32),
            one_hot(rng.integers(2, size=len(age)), 2),
        ], None

    def pay(obs, action: ActionTuple) -> np.ndarray:
        return -np.abs(action.continuous).sum(1)

    return TaskEnv(make_spec((3,), (2,), continuous=2, branches=(3, 2)), look, pay, seed=seed)


def simple_env() -> TaskEnv:
    return TaskEnv(make_spec((3,), continuous=2), noise((3,)), lambda obs, action: action.continuous[:, 0])


def weights(run: Path) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in load_policy(run).policy.state_dict().values()])


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> LoadedPolicy:
    """A hybrid policy that has trained a little."""
    results = str(tmp_path_factory.mktemp("results"))
    train(hybrid_env(), {**OPTIONS, "checkpoint_settings": {"run_id": "run", "results_dir": results}})
    return load_policy(Path(results, "run"))


def test_every_form_of_the_training_file_means_the_same():
    text = yaml.safe_dump(OPTIONS)
    Path("task.yaml").write_text(text)
    forms = {
        "map": OPTIONS,
        "text": text,
        "path": Path("task.yaml"),
        "name": "task.yaml",
        "settings": load_settings(OPTIONS),
        "function": lambda: load_settings(OPTIONS),
    }
    for name, form in forms.items():
        outcomes = train(simple_env(), form, overrides=[f"checkpoint_settings.run_id={name}"])
        assert list(outcomes) == ["Task"]
        assert isinstance(outcomes["Task"], Outcome)
        assert outcomes["Task"].folder == Path("runs", name, "Task").absolute()
        assert 300 <= outcomes["Task"].steps < 316
        assert outcomes["Task"].episodes > 0
        assert torch.equal(weights(Path("runs", name)), weights(Path("runs", "map")))


def test_the_seed_decides_everything():
    for run_id, seed in (("one", 1), ("same", 1), ("other", 2)):
        overrides = [f"checkpoint_settings.run_id={run_id}", f"env_settings.seed={seed}"]
        train(simple_env(), OPTIONS, overrides=overrides)
    one, same, other = (weights(Path("runs", run_id)) for run_id in ("one", "same", "other"))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_an_environment_can_be_made_from_the_settings():
    seen: list[RunSettings] = []

    def make(settings: RunSettings) -> TaskEnv:
        seen.append(settings)
        return simple_env()

    outcomes = train(make, OPTIONS, overrides=["env_settings.seed=-1", "behaviors.Task.max_steps=50"])
    assert seen[0].env_settings.seed >= 0, "drawn, so that it can be noted and repeated"
    run = outcomes["Task"].folder.parent
    assert run.name == seen[0].checkpoint_settings.run_id
    assert load_settings(run / "configuration.yaml").env_settings.seed == seen[0].env_settings.seed


def test_runs_without_a_name_get_one_each():
    folders = {
        train(simple_env(), OPTIONS, overrides=["behaviors.Task.max_steps=20"])["Task"].folder
        for _ in range(3)
    }
    assert len(folders) == 3
    assert all(folder.parent.name.startswith("Task-") for folder in folders)


def test_the_environment_is_closed_however_training_ends():
    env = simple_env()
    train(env, OPTIONS, overrides=["behaviors.Task.max_steps=20"])
    assert env.closed
    broken = simple_env()
    broken.pay = lambda obs, action: 1 / 0
    with pytest.raises(ZeroDivisionError):
        train(broken, OPTIONS)
    assert broken.closed


def test_training_works_outside_the_main_thread():
    outcomes: list[dict[str, Outcome]] = []
    thread = threading.Thread(target=lambda: outcomes.append(train(simple_env(), OPTIONS)))
    thread.start()
    thread.join()
    assert outcomes[0]["Task"].steps >= 300


@pytest.mark.parametrize("env", ["CartPole-v1", gymnasium.make("CartPole-v1")], ids=["id", "environment"])
def test_what_is_no_environment_is_refused_with_the_function_that_makes_one(env):
    with pytest.raises(UserError, match=r"env: expected a BaseEnv.*gym_adapters\.make_env"):
        train(env, OPTIONS)


def test_an_override_that_is_no_text_is_refused():
    with pytest.raises(UserError, match=r"overrides: expected texts such as 'debug=true', got 3"):
        train(simple_env(), OPTIONS, overrides=[3])  # type: ignore[list-item]


def test_a_function_without_parameters_makes_the_environment():
    assert train(simple_env, OPTIONS, overrides=["behaviors.Task.max_steps=50"])["Task"].steps >= 50
    outcomes = train(
        simple_env,
        OPTIONS,
        overrides=["behaviors.Task.max_steps=50", "behaviors.Task.evaluation_freq=25"],
        evaluation_env=lambda *, seed=0: simple_env(),
    )
    assert "Evaluation/" in (outcomes["Task"].folder / "progress.csv").read_text()


@pytest.mark.parametrize("argument", ["env", "evaluation_env"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda first, second: simple_env(),
            r"expected a function of the settings or of nothing.*\(first, second\)",
        ),
        (lambda *, settings: simple_env(), r"expected a function of the settings or of nothing.*settings"),
        (lambda settings: gymnasium.make("CartPole-v1"), r".*it made TimeLimit.*gym_adapters\.make_env"),
        (
            lambda: gymnasium.make_vec("CartPole-v1", 2),
            r".*CartPoleVectorEnv.*write .*VectorEnvAdapter\(env, ",
        ),
        (lambda: None, ".*it made NoneType"),
        (7, "expected a BaseEnv, or a function that makes one, got int"),
    ],
)
def test_a_function_that_makes_no_environment_is_one_error(argument, make, words):
    given = {"env": simple_env, argument: make}
    overrides = ["behaviors.Task.max_steps=100", "behaviors.Task.evaluation_freq=50"]
    with pytest.raises(UserError, match=f"{argument}: {words}"):
        train(**given, options=OPTIONS, overrides=overrides)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"callbacks": Callback()}, r"callbacks: expected a list.*write callbacks=\[Callback"),
        ({"callbacks": None}, "callbacks: expected a list, got NoneType"),
        ({"callbacks": print}, "callbacks: expected a list, got builtin_function_or_method"),
        ({"callbacks": [print]}, "callbacks: expected objects of trainers.Callback"),
        (
            {"overrides": "debug=true"},
            r'overrides: expected a list, got str; write overrides=\["debug=true"\]',
        ),
        ({"overrides": {"debug": True}}, "overrides: expected a list, got dict"),
        ({"display": print}, "display: expected a trainers.records.progress.Display"),
        (
            {"options": [1]},
            "settings: expected the path of a training file, its YAML text or a dictionary, got list",
        ),
        ({"options": lambda: 5}, "settings: expected .*, got int"),
    ],
)
def test_arguments_of_another_kind_are_refused_before_anything_is_written(arguments, words):
    with pytest.raises(UserError, match=words):
        train(make_env("CartPole-v1", 1, 0), **{"options": OPTIONS, **arguments})
    assert not Path("runs").exists()


def test_settings_that_ask_for_too_much_are_refused_before_anything_is_written():
    with pytest.raises(UserError, match="memory"):
        train(simple_env(), OPTIONS, overrides=["behaviors.Task.network_settings.memory={}"])
    with pytest.raises(UserError, match="max_steps"):
        train(simple_env(), OPTIONS, overrides=["behaviors.Task.max_steps=never"])
    assert not Path("runs").exists()


def test_actions_come_in_the_form_the_environment_takes(policy):
    rng = np.random.default_rng(0)
    for rows in (1, 7, 100):
        observations = [rng.normal(size=(rows, 3)).astype(np.float32), one_hot(rng.integers(2, size=rows), 2)]
        for deterministic in (True, False):
            action = policy.act(observations, deterministic)
            checked_actions(policy.spec.action_spec, action, rows, policy.name)
            assert np.abs(action.continuous).max() <= 1.0
            assert (action.discrete < np.array([3, 2])).all()
            assert (action.discrete >= 0).all()


def test_likeliest_actions_are_the_clamped_mean(policy):
    observations = [
        np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32) * 100,
        one_hot(np.zeros(50, int), 2),
    ]
    action = policy.act(observations)
    with torch.no_grad():
        distribution = policy.policy.distribution(policy.policy.upload(observations), None)
    mean = distribution.mean.numpy()
    assert (np.abs(mean) > 3.0).any()
    np.testing.assert_allclose(action.continuous, np.clip(mean, -3, 3) / 3, rtol=1e-6)
    for branch, log_probs in enumerate(distribution.log_probs):
        np.testing.assert_array_equal(action.discrete[:, branch], log_probs.argmax(1))


def test_one_observation_may_come_alone_or_in_a_list():
    outcome = train(simple_env(), OPTIONS)["Task"]
    loaded = load_policy(str(outcome.folder.parent))
    array = np.random.default_rng(2).normal(size=(4, 3))
    expected = loaded.act([array.astype(np.float32)]).continuous
    for form in (array, array.astype(np.float32), [array], (array,)):
        np.testing.assert_array_equal(loaded.act(form).continuous, expected)
    assert loaded.step == outcome.steps
    assert loaded.name == "Task"


def test_samples_are_repeatable_by_seed(policy):
    observations = [np.zeros((20, 3), np.float32), np.zeros((20, 2), np.float32)]

    def draw(seed: int) -> np.ndarray:
        policy.seed(seed)
        return policy.act(observations, deterministic=False).continuous

    np.testing.assert_array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))
    assert np.unique(draw(1)[:, 0]).size == 20, "every agent draws for itself"


def test_masks_are_obeyed(policy):
    observations = [np.zeros((300, 3), np.float32), np.zeros((300, 2), np.float32)]
    masks = [np.tile([True, False, True], (300, 1)), np.tile([False, True], (300, 1))]
    for deterministic in (True, False):
        action = policy.act(observations, deterministic, action_mask=masks)
        assert np.array_equal(action.discrete, np.tile([1, 0], (300, 1)))


@pytest.mark.parametrize(
    "observations",
    [
        np.zeros((4, 3), np.float32),
        [np.zeros((4, 3), np.float32)],
        [np.zeros((4, 2), np.float32), np.zeros((4, 3), np.float32)],
        [np.zeros(3, np.float32), np.zeros(2, np.float32)],
        [[[0.0] * 3], [0.0] * 2],
    ],
)
def test_observations_of_another_shape_are_refused_with_both_shapes(policy, observations):
    with pytest.raises(UserError, match=r"expected observations of shape \('n', 3\), \('n', 2\), got"):
        policy.act(observations)


@pytest.mark.parametrize("path", [None, 3])
def test_a_policy_is_loaded_from_a_path(path):
    with pytest.raises(UserError, match="load_policy: expected the path of a run or a checkpoint, got"):
        load_policy(path)


def test_a_name_that_the_package_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="trian"):
        _ = trainers.trian
