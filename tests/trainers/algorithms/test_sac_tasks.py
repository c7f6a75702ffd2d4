"""Tasks that SAC must solve in seconds, through the public API."""

import numpy as np
from mlagents_envs.base_env import ActionTuple
from scripted_env import make_spec
from task_envs import Observations, TaskEnv
from test_small_tasks import choosing_and_pointing, light, pointing, solve

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


def test_points_where_it_should():
    assert solve(pointing(agents=16), SAC, 6000, {"normalize": True}) > -0.03  # doing nothing earns -0.24


def test_does_both_at_once():
    assert solve(choosing_and_pointing(agents=16), SAC, 8000) > 0.9


def test_chooses_within_the_masks_of_two_branches():
    """Pays for the largest allowed number of each branch; the environment refuses forbidden ones."""

    def look(rng, age):
        mask = rng.random((len(age), 4)) < 0.4
        mask[np.arange(len(age)), rng.integers(4, size=len(age))] = False
        return [(~mask).astype(np.float32)], [mask, mask[:, ::-1].copy()]

    def pay(obs: Observations, action: ActionTuple) -> np.ndarray:
        first = action.discrete[:, 0] == 3 - obs[0][:, ::-1].argmax(1)
        second = action.discrete[:, 1] == 3 - obs[0].argmax(1)
        return (first & second).astype(np.float32)

    assert solve(TaskEnv(make_spec((4,), branches=(4, 4)), look, pay), SAC, 8000) > 0.95


def test_sees_where_the_light_is():
    assert solve(light(), SAC, 2000) > 0.98


def test_a_late_reward_reaches_the_decision_that_it_pays_for():
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
    quick = {**SAC, "hyperparameters": {**SAC["hyperparameters"], "learning_rate": 0.006}}
    assert solve(env, quick, 8000) > -0.02  # doing nothing earns -0.25
