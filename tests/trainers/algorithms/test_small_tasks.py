"""Tasks that must be solved in seconds, through the public API, by every algorithm and kind of action."""

from typing import Any

import numpy as np
import pytest
from mlagents_envs.base_env import ActionTuple
from run_tools import solve
from scripted_env import make_spec
from task_envs import Observations, TaskEnv, one_hot


def variant(base: dict[str, Any], **hyper: Any) -> dict[str, Any]:
    return {**base, "hyperparameters": {**base["hyperparameters"], **hyper}}


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
NATURAL_A2C = variant(A2C, buffer_size=128, natural_gradient_kl=0.05)
SAC = {
    "trainer_type": "sac",
    "hyperparameters": {
        "batch_size": 64,
        "buffer_size": 4000,
        "learning_rate": 0.003,
        "steps_per_update": 8,
        "tau": 0.05,
        "init_entcoef": 0.1,
    },
}
DQN = {
    "trainer_type": "dqn",
    "hyperparameters": {
        "batch_size": 32,
        "buffer_size": 4000,
        "learning_rate": 0.003,
        "steps_per_update": 8,
        "tau": 0.05,
        "exploration_initial_eps": 1.0,
        "exploration_final_eps": 0.1,
        "exploration_steps": 2000,
    },
}
ON_POLICY = {"ppo": PPO, "a2c": A2C, "natural a2c": NATURAL_A2C}
ACTORS = {**ON_POLICY, "sac": SAC}
DUELING = variant(DQN, dueling=True)
DQNS = {
    "dqn": variant(DQN, double=False),
    "double dqn": variant(DQN, double=True),
    "dueling dqn, 3 steps": variant(DUELING, n_step=3),
    "dueling dqn, copied target": variant(DUELING, dueling_units=16, tau=1, target_update_interval=100),
}


def pointing(agents: int) -> TaskEnv:
    """Two numbers to be hit, seen in other units, which `normalize` has to take care of."""

    def look(rng, age):
        return [(100.0 + 50.0 * rng.uniform(-1, 1, (len(age), 2))).astype(np.float32)], None

    def pay(obs: Observations, action: ActionTuple) -> np.ndarray:
        target = 0.6 * (obs[0] - 100.0) / 50.0
        return -np.square(action.continuous - target).sum(1)

    return TaskEnv(make_spec((2,), continuous=2), look, pay, agents=agents)


@pytest.mark.parametrize("name", ACTORS)
def test_points_where_it_should(name):
    agents, steps, network = (16, 6000, {}) if name == "sac" else (32, 30_000, {"initial_log_std": -0.5})
    # Doing nothing earns -0.24.
    assert solve(pointing(agents), ACTORS[name], steps, {"normalize": True, **network}) > -0.03


def choosing_and_pointing(agents: int) -> TaskEnv:
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


@pytest.mark.parametrize("name", ACTORS)
def test_does_both_at_once(name):
    agents, steps = (16, 8000) if name == "sac" else (32, 20_000)
    assert solve(choosing_and_pointing(agents), ACTORS[name], steps) > 0.9


@pytest.mark.parametrize("name", [*ACTORS, "dqn"])
def test_chooses_in_every_branch_within_its_masks(name):
    """Pays for the largest allowed number in each branch; the environment refuses forbidden ones."""
    sizes = (4,) if name == "dqn" else (4, 3)

    def look(rng, age):
        masks = [rng.random((len(age), size)) < 0.4 for size in sizes]
        for mask in masks:
            mask[np.arange(len(age)), rng.integers(mask.shape[1], size=len(age))] = False
        return [np.concatenate([~mask for mask in masks], axis=1).astype(np.float32)], masks

    def pay(obs: Observations, action: ActionTuple) -> np.ndarray:
        allowed = np.split(obs[0], np.cumsum(sizes)[:-1], axis=1)
        best = [part.shape[1] - 1 - part[:, ::-1].argmax(1) for part in allowed]
        return (action.discrete == np.stack(best, axis=1)).mean(1)

    env = TaskEnv(make_spec((sum(sizes),), branches=sizes), look, pay)
    algorithm, steps = {**ACTORS, **DQNS}[name], 12_000 if name in ON_POLICY else 8000
    assert solve(env, algorithm, steps) > 0.98


@pytest.mark.parametrize("name", [*ON_POLICY, *DQNS])
def test_takes_the_long_way_to_a_late_reward(name):
    """Only the first of four decisions matters and only the last one pays: credit must travel back."""
    chosen = np.zeros(16, np.int64)

    def look(rng, age):
        first = np.minimum(age, 3) == 0
        memory = np.where(first, 0, chosen[: len(age)] if len(age) == 16 else 0)
        return [np.concatenate([one_hot(np.minimum(age, 3), 4), memory[:, None]], 1).astype(np.float32)], None

    def pay(obs: Observations, action: ActionTuple) -> np.ndarray:
        if len(obs[0]) != 16:
            return action.discrete[:, 0] == 1
        time = obs[0][:, :4].argmax(1)
        chosen[time == 0] = action.discrete[time == 0, 0]
        return np.where(time == 3, 4.0 * obs[0][:, 4], 0.0)

    env = TaskEnv(make_spec((5,), branches=(2,)), look, pay)
    assert solve(env, {**ON_POLICY, **DQNS}[name], 6000) == 1.0


def test_sac_gives_a_late_reward_to_the_number_that_it_pays_for():
    """Two decisions: the first one's number decides what the second one earns."""
    chosen = np.zeros(16, np.float32)

    def look(rng, age):
        second = age % 2 == 1
        memory = np.where(second, chosen[: len(age)] if len(age) == 16 else 0.0, 0.0)
        return [np.stack([second.astype(np.float32), memory], 1).astype(np.float32)], None

    def pay(obs: Observations, action: ActionTuple) -> np.ndarray:
        second = obs[0][:, 0] == 1
        if len(obs[0]) != 16:
            return -np.square(action.continuous[:, 0] - 0.5)
        chosen[:] = np.where(second, chosen, action.continuous[:, 0])
        return np.where(second, -4.0 * np.square(obs[0][:, 1] - 0.5), 0.0)

    env = TaskEnv(make_spec((2,), continuous=1), look, pay, length=2)
    assert solve(env, variant(SAC, learning_rate=0.006), 8000) > -0.02  # doing nothing earns -0.25


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
    ("algorithm", "steps", "network"),
    [
        (PPO, 12_000, {"vis_encode_type": "simple"}),
        (A2C, 12_000, {"vis_encode_type": "simple"}),
        (NATURAL_A2C, 12_000, {"vis_encode_type": "fully_connected"}),
        (SAC, 2000, {}),
        (DUELING, 6000, {}),
        (DUELING, 6000, {"conv_channels": [8, 12], "dropout": 0.1}),
    ],
)
def test_sees_where_the_light_is(algorithm, steps, network):
    assert solve(light(), algorithm, steps, network) > 0.98


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
