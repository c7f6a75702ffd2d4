"""Curiosity: the loss written out, the cap, and what its two models learn of a small world."""

import math

import numpy as np
import pytest
import torch
from learner_tools import behavior_settings
from mlagents_envs.base_env import BehaviorSpec
from row_tools import RowTable, row_table
from scripted_env import make_spec

from trainers.config import CuriositySettings
from trainers.experience.task import Task
from trainers.rewards.curiosity import Curiosity
from trainers.rewards.learned import RowBatch

HYBRID = make_spec((4,), continuous=2, branches=(3, 2))
SPECS = pytest.mark.parametrize(
    "spec",
    [make_spec((4,), continuous=2), make_spec((4,), branches=(3, 2)), HYBRID],
    ids=["continuous", "discrete", "hybrid"],
)


def make_curiosity(spec: BehaviorSpec, batch_size: int = 32, seed: int = 0, **keys) -> Curiosity:
    settings = CuriositySettings.model_validate(
        {"network_settings": {"hidden_units": 16, "num_layers": 1}, "learning_rate": 0.01, **keys}
    )
    behavior = behavior_settings(hyperparameters={"batch_size": batch_size, "buffer_size": 64})
    return Curiosity("curiosity", settings, Task("Test", spec, behavior, seed, torch.device("cpu")))


def world(spec: BehaviorSpec, count: int, seed: int = 0) -> RowTable:
    """A point in space that every part of the action moves in its own way."""
    rng = np.random.default_rng(seed)
    here = rng.normal(size=(count, 4)).astype(np.float32)
    continuous = rng.uniform(-1, 1, (count, spec.action_spec.continuous_size)).astype(np.float32)
    discrete = np.stack([rng.integers(size, size=count) for size in (3, 2)], 1)
    discrete = discrete[:, : spec.action_spec.discrete_size]
    there = here.copy()
    there[:, : continuous.shape[1]] += continuous
    for branch, choice in enumerate(discrete.T):
        there[:, 2 + branch] += choice - 1.0
    return row_table(spec, [here], [there], continuous, discrete)


def written_out(signal: Curiosity, rows: RowTable) -> tuple[np.ndarray, np.ndarray]:
    """The errors of the forward and of the inverse model, (n,) each, in numpy from the weights."""

    def linear(layer: torch.nn.Linear, values: np.ndarray) -> np.ndarray:
        return values @ layer.weight.detach().numpy().T.astype(np.float64) + layer.bias.detach().numpy()

    def swish(values: np.ndarray) -> np.ndarray:
        return values / (1.0 + np.exp(-values))

    def model(layers: torch.nn.Sequential, values: np.ndarray) -> np.ndarray:
        return linear(layers[2], swish(linear(layers[0], values)))

    network = signal.network
    here, there = (
        swish(linear(network.body.layers[0], part[0])) for part in (rows.observations, rows.next_observations)
    )
    chosen = [np.eye(size)[rows.discrete[:, branch]] for branch, size in enumerate(network.branches)]
    predicted = model(network.forward_model, np.concatenate([here, rows.continuous, *chosen], 1))
    foreseen = 0.5 * ((predicted - there) ** 2).sum(1)
    inferred = model(network.inverse_model, np.concatenate([here, there], 1))
    size = rows.continuous.shape[1]
    error = ((inferred[:, :size] - rows.continuous) ** 2).sum(1)
    for branch, choices in enumerate(network.branches):
        logits = inferred[:, size : size + choices]
        size += choices
        taken = logits[np.arange(len(logits)), rows.discrete[:, branch]]
        error += np.log(np.exp(logits).sum(1)) - taken
    return foreseen, error


@SPECS
def test_reward_and_loss_are_those_written_out(spec):
    signal, rows = make_curiosity(spec, strength=0.01), world(spec, 20)
    foreseen, inferred = written_out(signal, rows)
    np.testing.assert_allclose(signal.rewards(rows), 0.01 * foreseen, rtol=1e-4)
    loss, figures = signal.loss(RowBatch(rows, signal.network))
    assert loss.item() == pytest.approx(10 * (0.2 * foreseen.mean() + 0.8 * inferred.mean()), rel=1e-4)
    assert figures["Losses/Curiosity Forward Loss"].item() == pytest.approx(foreseen.mean(), rel=1e-4)
    assert figures["Losses/Curiosity Inverse Loss"].item() == pytest.approx(inferred.mean(), rel=1e-4)


@pytest.mark.parametrize("strength", [0.0, 0.02, 1.0, 1e6])
def test_a_reward_is_at_most_1_after_strength_and_0_without_any(strength):
    signal, rows = make_curiosity(HYBRID, strength=strength), world(HYBRID, 50)
    foreseen, _ = written_out(signal, rows)
    np.testing.assert_allclose(signal.rewards(rows), np.minimum(strength * foreseen, 1.0), rtol=1e-4)
    figures = signal.update(rows)
    assert all(math.isfinite(value) for value in figures.values())


@SPECS
def test_the_models_learn_a_small_world(spec):
    """Of rows it never saw: which action was taken, and what it led to."""
    signal, test = make_curiosity(spec), world(spec, 500, seed=1)
    (before, _), paid_before = written_out(signal, test), signal.rewards(test).mean()
    for step in range(40):
        signal.update(world(spec, 256, seed=2 + step))
    after, _ = written_out(signal, test)
    with torch.no_grad():
        batch = RowBatch(test, signal.network)
        here, there = signal.network.features(batch.inputs, batch.next_inputs)
        inferred = signal.network.inverse_model(torch.cat([here, there], 1)).numpy()
    size = spec.action_spec.continuous_size
    if size:
        assert np.abs(inferred[:, :size] - test.continuous).mean() < 0.1
    for branch, choices in enumerate(spec.action_spec.discrete_branches):
        right = inferred[:, size : size + choices].argmax(1) == test.discrete[:, branch]
        size += choices
        assert right.mean() > 0.97
    assert after.mean() < 0.3 * before.mean()
    assert signal.rewards(test).mean() < paid_before


def test_the_normaliser_follows_the_observations():
    signal = make_curiosity(HYBRID, network_settings={"hidden_units": 8, "normalize": True})
    rows = world(HYBRID, 64)
    assert (signal.rewards(rows) == 0).all(), "there is nothing to go by yet"
    for _ in range(2):
        signal.update(rows)
    vectors = rows.observations[0].astype(np.float64)
    np.testing.assert_allclose(signal.network.normalizer.mean.numpy(), vectors.sum(0) * 2 / 129, atol=1e-6)
    assert (signal.rewards(rows) > 0).all()


def test_unsettled_and_ended_rows_do_no_harm():
    signal = make_curiosity(HYBRID)
    rows = world(HYBRID, 10)
    waiting = row_table(
        HYBRID, rows.observations, rows.observations, None, None, settled=np.zeros(10, np.bool_)
    )
    assert signal.update(waiting) == {}
    assert np.isfinite(signal.rewards(waiting)).all()
