"""Exported policies play as the checkpoints that they come from."""

import json
import sys

import numpy as np
import onnx
import pytest
from command_tools import REPOSITORY, the_error
from run_tools import Stopwatch, train_small
from scripted_env import make_spec

from bridge.onnx_export import export_policy
from gym_adapters.errors import UserError
from trainers import load_policy
from trainers.config import NetworkSettings
from trainers.networks.actor_critic import ActorCritic
from trainers.playback.evaluation import evaluate
from trainers.playback.evaluation import main as evaluate_main
from trainers.playback.onnx_policy import OnnxPolicy

ROWS = 24


@pytest.fixture(scope="module")
def remembering(tmp_path_factory):
    """A run with a continuous action, a branch of two, a normaliser and memory. Not to be written to."""
    results = tmp_path_factory.mktemp("memory")
    network = {
        "hidden_units": 8,
        "num_layers": 1,
        "normalize": True,
        "memory": {"memory_size": 6, "sequence_length": 4},
    }
    train_small(results, behavior={"max_steps": 600, "network_settings": network})
    return results / "first"


def observed(seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Observations, and masks that leave at least one action."""
    rng = np.random.default_rng(seed)
    forbidden = np.zeros((ROWS, 2), bool)
    forbidden[np.arange(ROWS), rng.integers(2, size=ROWS)] = rng.random(ROWS) < 0.5
    return [rng.normal(size=(ROWS, 4)).astype(np.float32)], [forbidden]


@pytest.mark.parametrize("memory", [False, True], ids=["plain", "memory"])
def test_the_file_acts_as_the_checkpoint_with_masks_and_memory(finished_run, remembering, memory):
    run = remembering if memory else finished_run[0]
    policy = load_policy(run)
    model = OnnxPolicy(run / "Task.onnx", {"Task?team=0": policy.spec})
    assert model.name == "Task"
    agents = [("Task", 3 * number) for number in range(ROWS)]
    for step in range(5):
        observations, masks = observed(step)
        given = None if step == 2 else masks
        expected = policy.act(observations, True, given, agents)
        found = model.act(observations, True, given, agents)
        np.testing.assert_allclose(found.continuous, expected.continuous, atol=1e-5)
        np.testing.assert_array_equal(found.discrete, expected.discrete)
        assert found.discrete.dtype == np.int32
        if step == 3:
            for one in (policy, model):
                one.forget(agents[::2])


def test_samples_are_repeatable_and_obey_masks(finished_run):
    spec = load_policy(finished_run[0]).spec
    observations, masks = observed(0)

    def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
        actions = OnnxPolicy(finished_run[0] / "Task.onnx", {"Task": spec}, seed).act(
            observations, False, masks
        )
        return actions.continuous, actions.discrete

    np.testing.assert_array_equal(draw(1)[0], draw(1)[0])
    assert not np.array_equal(draw(1)[0], draw(2)[0])
    assert not masks[0][np.arange(ROWS), draw(1)[1][:, 0]].any()


def test_it_plays_episodes_with_what_it_remembers(remembering):
    policy = load_policy(remembering)
    model = OnnxPolicy(remembering / "Task.onnx", {"Task": policy.spec})
    assert evaluate(Stopwatch().env(), model) == evaluate(Stopwatch().env(), policy)


def test_the_command_plays_it_as_it_plays_the_run(cartpole, capsys):
    run, few = cartpole / "pole", ["--episodes", "4", "--seed", "11", "--json"]
    found = []
    for arguments in ([str(run)], [str(run / "CartPole-v1.onnx"), "--env", "CartPole-v1"]):
        assert evaluate_main([*arguments, *few]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]


def test_images_come_as_bytes_and_the_example_acts_alike(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "docs" / "examples")
    import run_onnx

    folder = REPOSITORY / "docs" / "policies" / "Assault-v5"
    policy = load_policy(folder)
    model = OnnxPolicy(folder / "Assault-v5.onnx", {"Assault-v5": policy.spec})
    shape = policy.spec.observation_specs[0].shape
    seen = [np.random.default_rng(0).integers(256, size=(8, *shape), dtype=np.uint8)]
    found = model.act(seen).discrete
    own = run_onnx.Policy(str(folder / "Assault-v5.onnx"), 8)
    np.testing.assert_array_equal(own.act(seen)["deterministic_discrete_actions"], found)
    assert (found == policy.act(seen).discrete).mean() > 0.7, "weights in 8 bits move a few"


def test_the_example_takes_masks_and_remembers(remembering, monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "docs" / "examples")
    import run_onnx

    policy, own = load_policy(remembering), run_onnx.Policy(str(remembering / "Task.onnx"), ROWS)
    for step in range(3):
        observations, masks = observed(step)
        expected, found = policy.act(observations, True, masks), own.act(observations, ~masks[0])
        np.testing.assert_allclose(found["deterministic_continuous_actions"], expected.continuous, atol=1e-5)
        np.testing.assert_array_equal(found["deterministic_discrete_actions"], expected.discrete)
    assert len((REPOSITORY / "docs" / "examples" / "run_onnx.py").read_text().splitlines()) <= 42


def test_the_behavior_is_the_one_of_the_files_name_or_the_only_one(finished_run, tmp_path):
    spec = load_policy(finished_run[0]).spec
    model = onnx.load(finished_run[0] / "Task.onnx")
    del model.metadata_props[:]  # as mlagents-learn writes it
    path = tmp_path / "Walker.onnx"
    onnx.save(model, path)
    assert OnnxPolicy(path, {"Other?team=1": spec}).name == "Other"
    assert OnnxPolicy(path, {"Other": spec, "Walker?team=0": spec, "Walker?team=1": spec}).name == "Walker"
    with pytest.raises(UserError, match=r"is for Walker, the environment has A, B; name the file"):
        OnnxPolicy(path, {"A": spec, "B": spec})
    with pytest.raises(UserError, match=r"is for Walker, the environment has no behavior"):
        OnnxPolicy(path, {})
    checkpoint = path.rename(tmp_path / "Walker-499992.onnx")
    assert OnnxPolicy(checkpoint, {"Other": spec, "Walker?team=0": spec}).name == "Walker"
    assert OnnxPolicy(checkpoint, {"Walker-499992": spec, "Walker?team=0": spec}).name == "Walker-499992"


@pytest.mark.parametrize(
    ("made", "there"),
    [((0, (2, 3)), (0, (3, 2))), ((2, (2, 3)), (0, (2, 3))), ((2, ()), (3, ())), ((0, (4,)), (0, (5,)))],
)
def test_a_file_for_other_actions_is_refused_before_it_plays(made, there, tmp_path):
    specs = [make_spec((3,), continuous=one[0], branches=one[1]) for one in (made, there)]
    path = tmp_path / "Task.onnx"
    export_policy(ActorCritic(specs[0], NetworkSettings(hidden_units=4)), specs[0], path)
    assert OnnxPolicy(path, {"Task": specs[0]}).spec == specs[0]
    with pytest.raises(UserError, match=r"Task\.onnx: made for .* actions, Task has .* actions; use the env"):
        OnnxPolicy(path, {"Task": specs[1]})


def test_what_cannot_be_played_is_one_line(cartpole, tmp_path, capfd):
    model = cartpole / "pole" / "CartPole-v1.onnx"
    text = tmp_path / "text.onnx"
    text.write_text("not a model")
    capfd.readouterr()
    for arguments, told in (
        ([model], "an .onnx file names no environment; add --env"),
        ([model, "--env", "Pendulum-v1"], "takes obs_0 [4]; Pendulum-v1 has obs_0 [3]"),
        ([text, "--env", "CartPole-v1"], "not an .onnx file that onnxruntime runs"),
        ([tmp_path / "none.onnx", "--env", "CartPole-v1"], "none.onnx: cannot be read"),
        ([model, "--env", "./no/such/player"], "no/such/player"),
    ):
        assert evaluate_main([*map(str, arguments), "--episodes", "1"]) == 2
        assert told in the_error(capfd)


def test_without_onnxruntime_the_command_that_installs_it_is_told(finished_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"Task\.onnx: needs a package; run: .*pip install onnxruntime$"):
        OnnxPolicy(finished_run[0] / "Task.onnx", {"Task": load_policy(finished_run[0]).spec})
