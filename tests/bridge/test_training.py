"""Whole runs over real gRPC: every kind of sensor and action, into a run folder and out as `.onnx`."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from editors import editor
from idle_players import stacked_pixels
from processes import PLAYER, free_port, running

from bridge.onnx_check import check_file
from gym_adapters import UserError
from trainers import load_policy, train
from trainers.training.environments import make_environment

BEHAVIOR: dict[str, Any] = {
    "trainer_type": "ppo",
    "hyperparameters": {"batch_size": 32, "buffer_size": 128},
    "network_settings": {"hidden_units": 16, "num_layers": 1, "normalize": True},
    "max_steps": 600,
    "summary_freq": 200,
}


def options(port: int, *behaviors: str, **behavior: Any) -> dict[str, Any]:
    """A training file for the Editor on this port, or for an environment that brings its own."""
    return {
        "behaviors": {name: {**BEHAVIOR, **behavior} for name in behaviors},
        "env_settings": {"base_port": port, "timeout_wait": 20, "seed": 2},
        "checkpoint_settings": {"run_id": "run"},
    }


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("layout", [[], ["--channels-last"]])
def test_stacked_sensors_arrive_as_they_were(layout: list[str]) -> None:
    with editor(PLAYER, "stacked", *layout) as env:
        env.reset()
        env.step()
        specs = env.behavior_specs["Stacked"].observation_specs
        decisions, _ = env.get_steps("Stacked")
    assert [spec.shape for spec in specs] == [(2, 7, 5), (6,)]
    grey = stacked_pixels().reshape(2, 3, 7, 5).mean(1) / 255.0
    np.testing.assert_allclose(decisions.obs[0], np.stack([grey] * 3), rtol=1e-6)
    assert decisions.obs[0].dtype == np.float32
    assert decisions.obs[1].tolist() == [[*range(agent, agent + 6)] for agent in range(3)]


def test_entities_groups_masks_and_teams_are_trained_and_exported(tmp_path: Path) -> None:
    port = free_port()
    with running(PLAYER, "ledger", "--agents", 7, "--mlagents-port", port):
        outcomes = train(make_environment, options(port, "Hybrid", "Continuous"))
    assert set(outcomes) == {"Hybrid", "Continuous"}
    rng = np.random.default_rng(0)
    for name, outcome in outcomes.items():
        assert outcome.steps >= 600
        path, policy = tmp_path / "runs" / "run" / f"{name}.onnx", load_policy(outcome.folder)
        assert check_file(path).refused == []
        observations = [
            rng.random((9, *spec.shape)).astype(np.float32) for spec in policy.spec.observation_specs
        ]
        observations[1][:3, 1], observations[1][3:6] = 0, 0
        feed = {f"obs_{index}": array for index, array in enumerate(observations)}
        branches = policy.spec.action_spec.discrete_branches
        if branches:
            feed["action_masks"] = np.ones((9, sum(branches)), np.float32)
        wanted = [
            "deterministic_continuous_actions",
            *(["deterministic_discrete_actions"] if branches else []),
        ]
        outputs = onnxruntime.InferenceSession(str(path)).run(wanted, feed)
        expected = policy.act(observations)
        np.testing.assert_allclose(outputs[0], expected.continuous, atol=1e-5)
        if branches:
            np.testing.assert_array_equal(outputs[1], expected.discrete)


def test_images_from_unity_are_trained_on() -> None:
    port = free_port()
    arguments = ("--env", "bridge_envs:Pixels-v0", "--agents", 4, "--time-limit", 6)
    network = {"hidden_units": 16, "num_layers": 1, "vis_encode_type": "fully_connected"}
    with running("-m", "bridge.player", *arguments, "--mlagents-port", port):
        outcomes = train(make_environment, options(port, "Pixels-v0", network_settings=network))
    assert outcomes["Pixels-v0"].steps >= 600


def test_a_behavior_that_the_training_file_lacks() -> None:
    port = free_port()
    with (
        running(PLAYER, "ledger", "--mlagents-port", port),
        pytest.raises(
            UserError, match=r"has a behavior Continuous, which is not among those listed \(Hybrid\)"
        ),
    ):
        train(make_environment, options(port, "Hybrid"))
