"""Tasks that must be solved in seconds, through the public API, by every algorithm and kind of action."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlagents_envs.base_env import ActionTuple
from scripted_env import make_spec
from task_envs import Observations, TaskEnv, one_hot

from trainers import UserError, load_policy, train
from trainers.config import NetworkSettings
from trainers.networks.actor_critic import ActorCritic

PPO = {
    "trainer_type": "ppo",
    "hyperparameters": {
        "batch_size": 128,
        "buffer_size": 512,
        "learning_rate": 0.005,
        "num_epoch": 6,
        "beta": 1e-3,
        "learning_rate_schedule": "linear",
    },
}
A2C = {
    "trainer_type": "a2c",
    "hyperparameters": {"batch_size": 64, "buffer_size": 64, "learning_rate": 0.01, "beta": 1e-3},
}
NATURAL_A2C = {
    "trainer_type": "a2c",
    "hyperparameters": {
        "batch_size": 64,
        "buffer_size": 128,
        "learning_rate": 0.01,
        "beta": 1e-3,
        "natural_gradient_kl": 0.05,
    },
}
ALGORITHMS = pytest.mark.parametrize(
    "algorithm", [PPO, A2C, NATURAL_A2C], ids=["ppo", "a2c", "a2c, natural gradient"]
)


def solve(
    env: TaskEnv, algorithm: dict[str, Any], max_steps: int, network: dict[str, Any] | None = None
) -> float:
    """Train on a task, and say what the likeliest actions of the trained policy earn per decision."""
    options = {
        "default_settings": {
            **algorithm,
            "max_steps": max_steps,
            "network_settings": {"hidden_units": 32, "num_layers": 1, **(network or {})},
            "reward_signals": {"extrinsic": {"gamma": 0.5}},
        },
        "env_settings": {"seed": 1},
        "checkpoint_settings": {"run_id": "task"},
        "torch_settings": {"precision": "float32"},
    }
    train(env, options)
    assert env.closed
    policy = load_policy(Path("runs", "task"))
    observations, masks = env.look(np.random.default_rng(99), np.zeros(200, np.int64))
    return float(np.mean(env.pay(observations, policy.act(observations, action_mask=masks))))


def pointing(agents: int = 32) -> TaskEnv:
    """Two numbers to be hit, seen in other units, which `normalize` has to take care of."""

    def look(rng, age):
        return [(100.0 + 50.0 * rng.uniform(-1, 1, (len(age), 2))).astype(np.float32)], None

    def pay(obs: Observations, action: ActionTuple) -> np.ndarray:
        target = 0.6 * (obs[0] - 100.0) / 50.0
        return -np.square(action.continuous - target).sum(1)

    return TaskEnv(make_spec((2,), continuous=2), look, pay, agents=agents)


@ALGORITHMS
def test_points_where_it_should(algorithm):
    # Doing nothing earns -0.24.
    assert solve(pointing(), algorithm, 30_000, {"normalize": True, "initial_log_std": -0.5}) > -0.03


def choosing_and_pointing(agents: int = 32) -> TaskEnv:
    """A hybrid action: a choice of three and a number, each with an observation of its own."""

    def look(rng, age):
        rows = len(age)
        return [
            one_hot(rng.integers(3, size=rows), 3),
            rng.uniform(-0.5, 0.5, (rows, 1)).astype(np.float32),
        ], None

    def pay(obs: Observations, action: ActionTuple) -> np.ndarray:
        right = obs[0].argmax(1) == action.discrete[:, 0]
        return right - np.abs(action.continuous - obs[1])[:, 0]

    return TaskEnv(make_spec((3,), (1,), continuous=1, branches=(3,)), look, pay, agents=agents)


@ALGORITHMS
def test_does_both_at_once(algorithm):
    assert solve(choosing_and_pointing(), algorithm, 20_000) > 0.9


@ALGORITHMS
def test_chooses_in_every_branch_within_its_masks(algorithm):
    """Two branches, pays for the largest allowed number in each; the environment refuses forbidden ones."""

    def look(rng, age):
        masks = [rng.random((len(age), size)) < 0.4 for size in (4, 3)]
        for mask in masks:
            mask[np.arange(len(age)), rng.integers(mask.shape[1], size=len(age))] = False
        return [np.concatenate([~mask for mask in masks], axis=1).astype(np.float32)], masks

    def pay(obs: Observations, action: ActionTuple) -> np.ndarray:
        best = [3 - obs[0][:, 3::-1].argmax(1), 2 - obs[0][:, :3:-1].argmax(1)]
        return (action.discrete == np.stack(best, axis=1)).mean(1)

    env = TaskEnv(make_spec((7,), branches=(4, 3)), look, pay)
    assert solve(env, algorithm, 12_000) > 0.98


@ALGORITHMS
def test_takes_the_long_way_to_a_late_reward(algorithm):
    """Only the first of four decisions matters and only the last one pays: credit must travel back."""
    spec = make_spec((4,), branches=(2,))
    chosen = np.zeros(16, np.int64)

    def look(rng, age):
        return [one_hot(np.minimum(age, 3), 4)], None

    def pay(obs: Observations, action: ActionTuple) -> np.ndarray:
        if len(obs[0]) != 16:
            return action.discrete[:, 0] == 1
        time = obs[0].argmax(1)
        chosen[time == 0] = action.discrete[time == 0, 0]
        return np.where(time == 3, 4.0 * chosen, 0.0)

    assert solve(TaskEnv(spec, look, pay), algorithm, 6000) == 1.0


PATCHES = [
    (slice(0, 5), slice(8, 12)),
    (slice(15, 20), slice(8, 12)),
    (slice(8, 12), slice(0, 5)),
    (slice(8, 12), slice(15, 20)),
]


def images(sides: np.ndarray) -> np.ndarray:
    """A bright patch on one side of a dark picture: top, bottom, left or right. Shape: (n, 1, 20, 20), uint8."""
    pictures = np.full((len(sides), 1, 20, 20), 20, np.uint8)
    for picture, side in zip(pictures, sides, strict=True):
        picture[0][PATCHES[side]] = 230
    return pictures


def light() -> TaskEnv:
    """The bright side of a picture is to be named."""

    def look(rng, age):
        return [images(rng.integers(4, size=len(age)))], None

    def pay(obs: Observations, action: ActionTuple) -> np.ndarray:
        return (images(action.discrete[:, 0]) == obs[0]).all((1, 2, 3))

    return TaskEnv(make_spec((1, 20, 20), branches=(4,)), look, pay)


@pytest.mark.parametrize(
    ("algorithm", "encoder"),
    [(PPO, "simple"), (A2C, "simple"), (NATURAL_A2C, "fully_connected")],
    ids=["ppo-simple", "a2c-simple", "natural gradient-fully connected"],
)
def test_sees_where_the_light_is(algorithm, encoder):
    assert solve(light(), algorithm, 12_000, {"vis_encode_type": encoder}) > 0.98


def test_uses_picture_and_vector_together():
    """The right answer is a sum of what the two observations say; the picture's floats are in [0, 1]."""

    def look(rng, age):
        sides, offset = rng.integers(4, size=(2, len(age)))
        return [one_hot(offset % 2, 2), images(sides).astype(np.float32) / 255.0], None

    def pay(obs: Observations, action: ActionTuple) -> np.ndarray:
        brightness = np.stack([obs[1][:, 0, rows, columns].mean((1, 2)) for rows, columns in PATCHES], axis=1)
        return (brightness.argmax(1) + obs[0].argmax(1)) % 4 == action.discrete[:, 0]

    env = TaskEnv(make_spec((2,), (1, 20, 20), branches=(4,)), look, pay, agents=32)
    assert solve(env, PPO, 16_000, {"hidden_units": 64, "vis_encode_type": "fully_connected"}) > 0.95


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    ("encoder", "smallest"),
    [("simple", 20), ("nature_cnn", 36), ("resnet", 15), ("match3", 5), ("fully_connected", 1)],
)
def test_encoders_take_images_of_their_smallest_size_and_of_any_larger_one(encoder, smallest, shared):
    network = NetworkSettings(vis_encode_type=encoder, hidden_units=16, num_layers=1)
    for height, width in ((smallest, smallest), (smallest + 7, smallest + 1), (84, 84)):
        spec = make_spec((3, height, width), (5,), (1, height, width), continuous=2, branches=(2, 3))
        policy = ActorCritic(spec, network, shared)
        rng = np.random.default_rng(0)
        inputs = policy.upload(
            [
                rng.integers(0, 256, (2, 3, height, width), np.uint8),
                rng.normal(size=(2, 5)).astype(np.float32),
                rng.random((2, 1, height, width), np.float32),
            ]
        )
        distribution, value = policy(inputs, None)
        assert distribution.mean.shape == (2, 2)
        assert [part.shape for part in distribution.log_probs] == [(2, 2), (2, 3)]
        assert value.shape == (2, 1)
        torch.testing.assert_close(policy.value(inputs), value)
        (distribution.log_prob(distribution.sample()).sum() + value.sum()).backward()
        assert all(parameter.grad is not None for parameter in policy.parameters())


@pytest.mark.parametrize(
    ("encoder", "smallest"), [("simple", 20), ("nature_cnn", 36), ("resnet", 15), ("match3", 5)]
)
def test_an_image_too_small_for_its_encoder_is_refused(encoder, smallest):
    spec = make_spec((1, smallest, smallest - 1), continuous=1)
    with pytest.raises(UserError, match=rf"{encoder} needs images of at least {smallest} x {smallest}"):
        ActorCritic(spec, NetworkSettings(vis_encode_type=encoder))


def test_bytes_and_the_floats_they_stand_for_are_the_same_picture():
    policy = ActorCritic(make_spec((1, 20, 20), continuous=1), NetworkSettings(hidden_units=8))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 1, 20, 20), np.uint8)
    of_bytes = policy.value(policy.upload([pictures]))
    of_floats = policy.value(policy.upload([pictures.astype(np.float32) / 255.0]))
    torch.testing.assert_close(of_bytes, of_floats)


def test_an_observation_that_is_neither_vector_nor_image_is_refused():
    with pytest.raises(UserError, match=r"observation 1 .*\(4, 5\)"):
        ActorCritic(make_spec((3,), (4, 5), continuous=1), NetworkSettings())
