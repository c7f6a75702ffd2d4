"""Observations that float32 would merge: stored, normalised, learned from and acted on without losing a neighbour."""

import numpy as np
import pytest
import torch
from run_tools import options
from scripted_env import make_spec
from task_envs import TaskEnv

from trainers import load_policy, train
from trainers.experience.checks import StepsChecker
from trainers.experience.replay import Replay
from trainers.experience.replay_file import load_replay, save_replay
from trainers.experience.rollout import Rollout
from trainers.networks.normalizer import ObservationMoments, VectorNormalizer
from trainers.networks.policy_network import ActionSample
from trainers.records.checkpoint import load_state

TIME, MINUTE = 1.7e9, 60
SPEC = make_spec((1,), branches=(2,))


class Clock:
    """Shows one of two minutes and asks which."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def look(self, rng: np.random.Generator, age: np.ndarray):
        return [(TIME + MINUTE * rng.integers(0, 2, (len(age), 1))).astype(self.dtype)], None

    def pay(self, obs, action) -> np.ndarray:
        return (obs[0][:, 0] > TIME) == action.discrete[:, 0]


HYPERPARAMETERS = {
    "ppo": {"batch_size": 64, "buffer_size": 256, "learning_rate": 1e-2},
    "a2c": {"batch_size": 64, "buffer_size": 64, "learning_rate": 1e-2},
    "dqn": {"batch_size": 64, "buffer_size": 2000, "learning_rate": 1e-2, "steps_per_update": 8},
    "sac": {
        "batch_size": 64,
        "buffer_size": 2000,
        "learning_rate": 1e-2,
        "steps_per_update": 8,
        "init_entcoef": 0.1,
    },
}


@pytest.mark.parametrize(
    ("kind", "dtype", "steps"),
    [
        ("ppo", "f8", 2000),
        ("ppo", ">i8", 2000),
        ("a2c", "f8", 6000),
        ("dqn", "f8", 2000),
        ("sac", "f8", 2000),
    ],
)
def test_neighbours_are_told_apart(kind, dtype, steps, tmp_path):
    clock = Clock(dtype)
    behavior = {
        "trainer_type": kind,
        "hyperparameters": HYPERPARAMETERS[kind],
        "max_steps": steps,
        "checkpoint_interval": 10_000,
    }
    train(TaskEnv(SPEC, clock.look, clock.pay), options(tmp_path, behavior=behavior))
    policy = load_policy(tmp_path / "first")
    shown = np.array([[TIME], [TIME + MINUTE]]).astype(dtype)
    assert policy.act(shown).discrete.tolist() == [[0], [1]]
    assert policy.predict(shown).ravel().tolist() == [0, 1]
    state = load_state(tmp_path / "first" / "Task" / "checkpoint.pt")
    assert {tensor.dtype for tensor in state["Policy"].values()} <= {torch.float32, torch.int64}
    longer = options(tmp_path, behavior={**behavior, "max_steps": steps + 100}, resume=True)
    train(TaskEnv(SPEC, clock.look, clock.pay), longer)


@pytest.mark.parametrize("spread", [0.5, 10.0, 1e5])
def test_a_normalised_number_keeps_its_place_among_the_others(spread):
    values = TIME + 47 + spread * np.linspace(-1.7, 1.7, 1000)[:, None]
    moments, normalizer = ObservationMoments(1), VectorNormalizer(1)
    for part in np.array_split(values[np.random.default_rng(0).permutation(1000)], 7):
        moments.update(part)
    normalizer.assign(moments)
    seen = normalizer(torch.from_numpy(values)).ravel()
    assert seen.dtype == torch.float32
    assert (seen.diff() > 0).all()
    assert seen.abs().max() < 4


def test_columns_become_wider_when_large_numbers_come(tmp_path):
    small, large = np.array([[1.5]], np.float32), np.array([[TIME + 1]])
    rollout, replay = Rollout(SPEC, 4), Replay(SPEC, 4)
    for store in (rollout, replay):
        for seen in (small, large, small):
            row = store.append([seen])
            store.decide(row, ActionSample(np.zeros((1, 0)), np.zeros((1, 1), np.int64), np.zeros((1, 1))))
    save_replay(replay, tmp_path / "replay.npz")
    again = Replay(SPEC, 4)
    load_replay(again, tmp_path / "replay.npz")
    for kept in (rollout.columns().observations[0], *replay.read(np.arange(3)), *again.read(np.arange(3))):
        assert kept.ravel().tolist() == [1.5, TIME + 1, 1.5]


def test_only_vectors_with_large_numbers_are_wide():
    env = TaskEnv(SPEC, Clock("f8").look, lambda obs, action: np.zeros(16))
    env.reset()
    steps, _ = env.get_steps("Task")
    checker = StepsChecker("Task", SPEC)
    assert checker.checked(steps).obs[0].dtype == np.float64
    steps.obs[0] = (steps.obs[0] - TIME).astype(np.int64)
    assert checker.checked(steps).obs[0].dtype == np.float32
