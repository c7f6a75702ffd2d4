"""Tasks that a DQN must solve in seconds, in each of its variants, through the public API."""

import numpy as np
import pytest
from mlagents_envs.base_env import ActionTuple
from scripted_env import make_spec
from task_envs import TaskEnv, one_hot
from test_small_tasks import light, solve

TASK = {
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
VARIANTS = [
    {"double": False},
    {"double": True},
    {"dueling": True, "n_step": 3},
    {"dueling": True, "dueling_units": 16, "tau": 1, "target_update_interval": 100},
]


def variant(**hyper) -> dict:
    return {**TASK, "hyperparameters": {**TASK["hyperparameters"], **hyper}}


@pytest.mark.parametrize("hyper", VARIANTS)
def test_takes_the_long_way_to_a_late_reward(hyper):
    """Only the first of four decisions matters and only the last one pays."""
    chosen = np.zeros(16, np.int64)

    def look(rng, age):
        first = np.minimum(age, 3) == 0
        memory = np.where(first, 0, chosen[: len(age)] if len(age) == 16 else 0)
        return [np.concatenate([one_hot(np.minimum(age, 3), 4), memory[:, None]], 1).astype(np.float32)], None

    def pay(obs: list[np.ndarray], action: ActionTuple) -> np.ndarray:
        if len(obs[0]) != 16:
            return action.discrete[:, 0] == 1
        time = obs[0][:, :4].argmax(1)
        chosen[time == 0] = action.discrete[time == 0, 0]
        return np.where(time == 3, 4.0 * obs[0][:, 4], 0.0)

    assert solve(TaskEnv(make_spec((5,), branches=(2,)), look, pay), variant(**hyper), 6000) == 1.0


def test_chooses_within_its_masks():
    """Pays for the largest allowed number; the environment refuses forbidden ones."""

    def look(rng, age):
        mask = rng.random((len(age), 4)) < 0.4
        mask[np.arange(len(age)), rng.integers(4, size=len(age))] = False
        return [(~mask).astype(np.float32)], [mask]

    def pay(obs: list[np.ndarray], action: ActionTuple) -> np.ndarray:
        return action.discrete[:, 0] == 3 - obs[0][:, ::-1].argmax(1)

    assert solve(TaskEnv(make_spec((4,), branches=(4,)), look, pay), TASK, 8000) > 0.98


@pytest.mark.parametrize("network", [{}, {"conv_channels": [8, 12], "dropout": 0.1}])
def test_sees_where_the_light_is(network):
    assert solve(light(), variant(dueling=True), 6000, network) > 0.98
