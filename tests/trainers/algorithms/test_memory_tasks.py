"""A task that needs memory: the first observation of an episode says what the last decision must be."""

from typing import Any

import numpy as np
import pytest
from mlagents_envs.base_env import (
    ActionTuple,
    BehaviorSpec,
)
from run_tools import learn
from scripted_env import make_spec
from task_envs import TaskEnv

from trainers.playback.evaluation import evaluate

LENGTH, AGENTS = 4, 32
PPO = {
    "trainer_type": "ppo",
    "hyperparameters": {
        "batch_size": 128,
        "buffer_size": 512,
        "learning_rate": 0.01,
        "num_epoch": 6,
        "beta": 1e-3,
        "shared_critic": False,
    },
}
CLIPPED = {name: value for name, value in PPO["hyperparameters"].items() if name != "shared_critic"}
ALGORITHMS = {
    "ppo": PPO,
    "ppo, shared critic": {**PPO, "hyperparameters": {**PPO["hyperparameters"], "shared_critic": True}},
    "a2c": {
        "trainer_type": "a2c",
        "hyperparameters": {"batch_size": 128, "buffer_size": 128, "learning_rate": 0.02, "beta": 1e-3},
    },
    "poca": {"trainer_type": "poca", "hyperparameters": CLIPPED},
    "mappo": {"trainer_type": "mappo", "hyperparameters": CLIPPED},
}
SAC = {
    "trainer_type": "sac",
    "hyperparameters": {
        "batch_size": 128,
        "buffer_size": 4000,
        "learning_rate": 0.003,
        "steps_per_update": 16,
        "tau": 0.05,
        "init_entcoef": 0.1,
    },
}
SPECS = {
    "discrete": make_spec((3,), branches=(2,)),
    "hybrid": make_spec((3,), continuous=1, branches=(2,)),
    "image": make_spec((2,), (1, 20, 20), branches=(2,)),
    "entities": make_spec((2,), (3, 2), branches=(2,)),
}


def recalling(spec: BehaviorSpec, together: bool = False) -> TaskEnv:
    """An episode's first observation shows a sign, -1 or 1. The last decision is paid if it has this sign.

    All observations tell whether the decision is the first or the last. Agents that begin later see no sign, and any
    decision of theirs is right.
    """
    signs = np.zeros(AGENTS)

    def look(rng, age):
        first = age == 0
        signs[first] = rng.choice([-1.0, 1.0], first.sum())
        shown = np.where(first, signs, 0.0).astype(np.float32)
        time = np.stack([first, age == LENGTH - 1], axis=1).astype(np.float32)
        if spec is SPECS["image"]:
            return [
                time,
                np.broadcast_to(0.5 + 0.5 * shown[:, None, None, None], (AGENTS, 1, 20, 20)).copy(),
            ], None
        if spec is SPECS["entities"]:
            rows = np.zeros((AGENTS, 3, 2), np.float32)
            rows[first, 1] = np.stack([np.ones(first.sum()), shown[first]], axis=1)
            return [time, rows], None
        return [np.concatenate([time, shown[:, None]], axis=1)], None

    def pay(observations: list[np.ndarray], action: ActionTuple) -> np.ndarray:
        answers = []
        if spec.action_spec.continuous_size:
            answers.append(np.sign(action.continuous[:, 0]))
        if spec.action_spec.discrete_branches:
            answers.append(2.0 * action.discrete[:, 0] - 1.0)
        right = np.mean([(answer == signs) | (signs == 0) for answer in answers], axis=0)
        return np.where(observations[0][:, 1] == 1.0, right, 0.0)

    return TaskEnv(spec, look, pay, agents=AGENTS, length=LENGTH, together=together)


def solve(
    spec: BehaviorSpec, algorithm: dict[str, Any], max_steps: int, memory: dict[str, int] | None
) -> float:
    """Train on the task, and say what the likeliest actions of the trained policy earn in an episode."""
    policy = learn(recalling(spec), algorithm, max_steps, {"memory": memory}, gamma=0.9)
    return float(np.mean(evaluate(recalling(spec, together=True), policy)))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_recalls_what_it_saw_first(algorithm):
    assert (
        solve(SPECS["discrete"], ALGORITHMS[algorithm], 6000, {"memory_size": 16, "sequence_length": 8})
        > 0.98
    )


@pytest.mark.parametrize("kind", ["hybrid", "image", "entities"])
def test_recalls_with_any_actions_and_observations(kind):
    assert solve(SPECS[kind], PPO, 8000, {"memory_size": 16, "sequence_length": 8}) > 0.95


def test_sac_recalls_what_it_saw_first():
    assert solve(SPECS["hybrid"], SAC, 8000, {"memory_size": 16, "sequence_length": 8}) > 0.95


def test_without_memory_the_task_is_not_solved():
    assert solve(SPECS["discrete"], PPO, 6000, None) < 0.8
