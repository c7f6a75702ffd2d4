"""Observations of variable length: any order, any padding, any number, none included."""

import numpy as np
import pytest
import torch
from mlagents_envs.base_env import (
    ActionSpec,
    ActionTuple,
    BehaviorSpec,
    DimensionProperty,
    ObservationSpec,
    ObservationType,
)
from run_tools import solve
from task_envs import Observations, TaskEnv

from trainers import UserError
from trainers.config import NetworkSettings
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.entities import EMBEDDING_SIZE, EntityEncoder

NONE, VARIES, MOVES = (
    DimensionProperty.NONE,
    DimensionProperty.VARIABLE_SIZE,
    DimensionProperty.TRANSLATIONAL_EQUIVARIANCE,
)


def observation(shape: tuple[int, ...], *properties: DimensionProperty) -> ObservationSpec:
    return ObservationSpec(shape, properties or (NONE,) * len(shape), ObservationType.DEFAULT, "seen")


def entities(rows: int, size: int) -> ObservationSpec:
    return observation((rows, size), VARIES, NONE)


@pytest.fixture
def encoder() -> EntityEncoder:
    torch.manual_seed(0)
    return EntityEncoder([3, 2], 4, NetworkSettings())


@pytest.fixture
def seen() -> tuple[torch.Tensor, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    own = torch.randn(6, 4, generator=generator)
    return own, [torch.randn(6, 5, 3, generator=generator), torch.randn(6, 2, 2, generator=generator)]


def test_order_does_not_matter(encoder, seen):
    own, (first, second) = seen
    shuffled = [first[:, [3, 0, 4, 2, 1]], second[:, [1, 0]]]
    torch.testing.assert_close(encoder(own, shuffled), encoder(own, [first, second]))


def test_padding_does_not_matter(encoder, seen):
    own, (first, second) = seen
    padded = torch.cat([torch.zeros(6, 2, 3), first, torch.zeros(6, 7, 3)], dim=1)
    torch.testing.assert_close(encoder(own, [padded, second]), encoder(own, [first, second]))


def test_every_entity_matters_and_so_does_the_agent(encoder, seen):
    own, observations = seen
    inputs = [tensor.clone().requires_grad_() for tensor in (own, *observations)]
    encoder(inputs[0], inputs[1:]).square().sum().backward()
    for tensor in inputs:
        assert tensor.grad is not None
        assert (tensor.grad.abs().sum(-1) > 0).all()
    for name, parameter in encoder.named_parameters():
        if name != "attention.key.bias":  # adds the same to every score of a row, so its gradient is zero
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_agents_do_not_see_each_other_s_entities(encoder, seen):
    own, observations = seen
    together = encoder(own, observations)
    alone = torch.cat(
        [encoder(own[i : i + 1], [tensor[i : i + 1] for tensor in observations]) for i in range(6)]
    )
    torch.testing.assert_close(together, alone)


def test_nothing_there_is_zero_and_has_finite_gradients(encoder, seen):
    own, observations = seen
    nothing = [torch.zeros_like(tensor) for tensor in observations]
    result = encoder(own, nothing)
    assert result.shape == (6, EMBEDDING_SIZE)
    assert not result.any()
    result.sum().backward()
    gradients = [parameter.grad for parameter in encoder.parameters() if parameter.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_large_values_stay_finite(encoder, seen):
    own, observations = seen
    assert encoder(own * 1e4, [tensor * 1e6 for tensor in observations]).isfinite().all()


def test_no_agents(encoder, seen):
    own, observations = seen
    assert encoder(own[:0], [tensor[:0] for tensor in observations]).shape == (0, EMBEDDING_SIZE)


@pytest.mark.parametrize("shared", [False, True])
def test_policy_takes_vectors_images_and_entities(shared):
    specs = [entities(4, 3), observation((5,)), observation((3, 20, 20), NONE, MOVES, MOVES), entities(2, 6)]
    policy = ActorCritic(BehaviorSpec(specs, ActionSpec(2, (3,))), NetworkSettings(normalize=True), shared)
    rng = np.random.default_rng(0)
    observations = [rng.random((7, *spec.shape)).astype(np.float32) for spec in specs]
    inputs = policy.upload(observations)
    assert [tuple(tensor.shape[1:]) for tensor in inputs] == [(5,), (3, 20, 20), (4, 3), (2, 6)]
    distribution, value = policy(inputs, None)
    assert distribution.mean.shape == (7, 2)
    assert value.shape == (7, 1)
    observations[3][0] += 1
    changed = policy(policy.upload(observations), None)[0].mean - distribution.mean
    assert changed[0].abs().max() > 1e-4
    torch.testing.assert_close(changed[1:], torch.zeros(6, 2), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "spec",
    [
        observation((4, 3)),
        observation((4, 3), VARIES, VARIES),
        observation((4, 3), NONE, VARIES),
        observation((4,), VARIES),
        observation((4, 3, 2), VARIES, NONE, NONE),
        observation((2, 3, 4, 5)),
        observation(()),
    ],
)
def test_other_shapes_are_refused(spec):
    with pytest.raises(
        UserError, match=r"observation 1 \(seen\) has shape \(.*this trainer takes vectors, images, and lists"
    ):
        ActorCritic(BehaviorSpec([observation((2,)), spec], ActionSpec(1, ())), NetworkSettings())


def test_learns_to_pick_the_entity_that_counts():
    """Up to five entities, each a kind of four and a weight, are there; the heaviest names the right choice."""
    rows, kinds = 5, 4

    def look(rng, age):
        count = len(age)
        table = np.zeros((count, rows, kinds + 1), np.float32)
        table[..., :kinds] = np.eye(kinds)[rng.integers(kinds, size=(count, rows))]
        table[..., kinds] = rng.uniform(0.1, 1, (count, rows))
        table[np.arange(rows) >= rng.integers(1, rows + 1, size=(count, 1))] = 0
        return [table, np.ones((count, 1), np.float32)], None

    def pay(obs: Observations, action: ActionTuple) -> np.ndarray:
        heaviest = obs[0][np.arange(len(obs[0])), obs[0][..., kinds].argmax(1)]
        return heaviest[:, :kinds].argmax(1) == action.discrete[:, 0]

    spec = BehaviorSpec([entities(rows, kinds + 1), observation((1,))], ActionSpec(0, (kinds,)))
    env = TaskEnv(spec, look, pay)
    hyper = {"batch_size": 128, "buffer_size": 512, "learning_rate": 1e-3, "num_epoch": 6}
    assert solve(env, {"trainer_type": "ppo", "hyperparameters": hyper}, 16_000) > 0.85
