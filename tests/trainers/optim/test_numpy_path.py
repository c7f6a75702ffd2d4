"""The gradient written out in numpy against autograd."""

import numpy as np
import pytest
import torch
from learner_tools import behavior_settings, drive, make_learner
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.experience.batch import Batch
from trainers.maths.losses import (
    clipped_policy_gradient,
    clipped_policy_loss,
    clipped_value_gradient,
    clipped_value_loss,
    policy_gradient_gradient,
    policy_gradient_loss,
    value_gradient,
    value_loss,
)
from trainers.networks.distributions import Actions
from trainers.networks.normalizer import RunningMoments
from trainers.optim.numpy_path import find_gradients

KINDS = {
    "continuous": ({"continuous": 3}, False),
    "discrete": ({"branches": (4,)}, False),
    "branches with masks": ({"branches": (3, 2, 4)}, True),
    "hybrid with masks": ({"continuous": 2, "branches": (3, 2)}, True),
}


def some_batch(learner: OnPolicyLearner, masked: bool, count: int = 32, seed: int = 0) -> Batch:
    """Decisions with actions of the policy itself, and some that became less likely since."""
    generator = torch.Generator().manual_seed(seed)
    spec, policy = learner.spec, learner.policy
    size = sum(observation.shape[0] for observation in spec.observation_specs)
    inputs = (torch.randn(count, size, generator=generator),)
    branches = spec.action_spec.discrete_branches
    forbidden = torch.rand(count, sum(branches), generator=generator) < 0.4 if masked else None
    if forbidden is not None:
        start = 0
        for branch in branches:  # something stays allowed
            forbidden[:, start] = False
            start += branch
    with torch.no_grad():
        distribution = policy.distribution(inputs, forbidden)
        actions: Actions = distribution.sample(generator)
        log_prob = distribution.log_prob(actions)
        log_prob += 0.3 * torch.randn(log_prob.shape, generator=generator)
    value = torch.randn(count, 1, generator=generator)
    return Batch(
        inputs,
        forbidden,
        actions,
        log_prob,
        value=value,
        baseline=value,
        advantage=torch.randn(count, generator=generator),
        returns=torch.randn(count, 1, generator=generator),
        rows=torch.arange(count),
    )


def test_functions_that_are_no_partials_have_no_numpy_gradient():
    assert (
        find_gradients(lambda now, old, advantage: now.sum(), lambda value, target, old: value.sum()) is None
    )


@pytest.mark.parametrize("ratio", ["part", "action", None])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "relu", "elu", "swish"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer_norm", [False, True])
def test_one_gradient_step_is_autograd_s(layer_norm, kind, activation, shared, ratio):
    """PPO with both kinds of ratio, and A2C, which knows no other than that of a part."""
    actions, masked = KINDS[kind]
    spec = make_spec((3,), (4,), **actions)
    keys: dict[str, object] = {"shared_critic": shared, "max_grad_norm": 0.5}
    if ratio:
        keys |= {"clip_value_loss": shared, "policy_ratio": ratio}
    network = {"activation": activation, "num_layers": 2, "layer_norm": layer_norm}
    settings = behavior_settings("ppo" if ratio else "a2c", keys, network)
    learner, reference = make_learner(spec, settings), make_learner(spec, settings)
    assert learner.numpy_path is not None
    with torch.no_grad():
        learner.optimizer.flat[0].mul_(2.0)  # further from the start, where heads are small
        reference.optimizer.flat[0].mul_(2.0)
    for step in range(3):
        batch = some_batch(reference, masked, seed=step)
        losses = learner.losses()
        gradients = find_gradients(losses.policy, losses.value)
        expected = reference.descend(batch, losses, 0.01)
        figures = learner.gradient_steps.descend_in_numpy(
            learner.numpy_path, batch.numpy(), losses, gradients, 0.01
        )
        torch.testing.assert_close(
            learner.optimizer.gradient, reference.optimizer.gradient, rtol=1e-4, atol=1e-5
        )
        torch.testing.assert_close(figures, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("final_log_std", [None, -1.0])
@pytest.mark.parametrize("trainer_type", ["ppo", "a2c"])
def test_learning_is_the_same(trainer_type, final_log_std):
    """Some updates of two learners that see the same agents: the same losses and weights, to rounding."""
    weights = []
    for explicit in (True, False):
        spec = make_spec((3,), continuous=1, branches=(3,))
        network = {"normalize": True, "final_log_std": final_log_std}
        settings = behavior_settings(trainer_type, {"buffer_size": 64, "batch_size": 16}, network)
        learner = make_learner(spec, settings)
        if not explicit:
            learner.numpy_path = None
        updates = drive(ScriptedEnv({"Test": Behavior(spec, crowd(6, 60, 9))}), learner, 60)
        assert len(updates) >= 3
        weights.append(torch.cat([parameter.detach().flatten() for parameter in learner.policy.parameters()]))
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_losses_in_numpy_are_those_in_torch(seed):
    rng = np.random.default_rng(seed)
    advantage = rng.normal(size=64).astype(np.float32)
    new, old = (rng.normal(size=(64, 3)).astype(np.float32) for _ in range(2))
    value, old_value, returns = (rng.normal(size=(64, 2)).astype(np.float32) for _ in range(3))
    pairs = [
        (clipped_policy_loss, clipped_policy_gradient, new, (old, advantage, 0.2)),
        (policy_gradient_loss, policy_gradient_gradient, new, (old, advantage)),
        (value_loss, value_gradient, value, (returns,)),
        (clipped_value_loss, clipped_value_gradient, value, (returns, old_value, 0.2)),
    ]
    for loss, gradient, first, others in pairs:
        variable = torch.from_numpy(first).requires_grad_()
        expected = loss(variable, *(torch.from_numpy(x) if isinstance(x, np.ndarray) else x for x in others))
        expected.backward()
        found, slope = gradient(first, *others)
        assert found == pytest.approx(expected.item(), rel=1e-5)
        np.testing.assert_allclose(
            np.broadcast_to(slope, first.shape), variable.grad.numpy(), rtol=1e-4, atol=1e-7
        )


def acting_learner(
    actions: dict, shared: bool = False, memory: bool = False, units: int = 8
) -> OnPolicyLearner:
    """A learner with a normaliser in use and heads that have opinions."""
    spec = make_spec((3,), (4,), **actions)
    network = {
        "normalize": True,
        "hidden_units": units,
        "num_layers": 2,
        "memory": {"memory_size": 12, "sequence_length": 4} if memory else None,
    }
    settings = behavior_settings(hyperparameters={"shared_critic": shared}, network=network)
    learner = make_learner(spec, settings)
    with torch.no_grad():
        learner.optimizer.flat[0].mul_(2.0)
    moments = RunningMoments(7)
    moments.update(np.random.default_rng(0).normal(1.0, 3.0, (100, 7)))
    learner.policy.normalizer.assign(moments)
    return learner


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("units", [8, 200], ids=["small", "large"])
@pytest.mark.parametrize("kind", KINDS)
def test_acting_is_the_policy_s(kind, units, shared, deterministic):
    actions, masked = KINDS[kind]
    learner = acting_learner(actions, shared, units=units)
    rng = np.random.default_rng(0)
    observations = [rng.normal(0.0, 9.0, (32, size)).astype(np.float32) for size in (3, 4)]
    mask = some_batch(learner, masked).forbidden
    forbidden = None if mask is None else mask.numpy()
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    found = learner.numpy_path.choose(observations, forbidden, deterministic, generators[0])
    expected = learner.policy.choose(observations, forbidden, deterministic, generators[1])
    np.testing.assert_allclose(found.continuous, expected.continuous, rtol=1e-5, atol=1e-5)
    if deterministic:
        np.testing.assert_array_equal(found.discrete, expected.discrete)
    with torch.no_grad():
        distribution = learner.policy.distribution(learner.policy.upload(observations), mask)
        told = distribution.log_prob(
            Actions(torch.from_numpy(found.continuous), torch.from_numpy(found.discrete))
        )
    np.testing.assert_allclose(found.log_prob, told.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shared", [False, True])
def test_what_agents_remember_is_what_the_policy_remembers(shared):
    learner = acting_learner({"branches": (3, 2)}, shared, memory=True)
    rng = np.random.default_rng(0)
    memories = [None, None]
    for _ in range(5):
        observations = [rng.normal(0.0, 9.0, (6, size)).astype(np.float32) for size in (3, 4)]
        for index, actor in enumerate((learner.numpy_path, learner.policy)):
            generator = torch.Generator().manual_seed(5)
            sample = actor.choose(observations, None, True, generator, memories[index])
            memories[index] = sample.memory
        np.testing.assert_allclose(*memories, rtol=1e-5, atol=1e-5)
    assert np.abs(memories[0]).mean() > 0.1


def test_branches_are_drawn_as_often_as_they_are_likely():
    learner = acting_learner({"branches": (3, 4)})
    count = 40_000
    observations = [np.tile(np.arange(size, dtype=np.float32), (count, 1)) for size in (3, 4)]
    forbidden = np.zeros((count, 7), np.bool_)
    forbidden[:, 1] = True
    generator = torch.Generator().manual_seed(1)
    chosen = learner.numpy_path.choose(observations, forbidden, False, generator).discrete
    with torch.no_grad():
        inputs = learner.policy.upload([observation[:1] for observation in observations])
        log_probs = learner.policy.distribution(inputs, torch.from_numpy(forbidden[:1])).log_probs
    for branch, log_prob in enumerate(log_probs):
        likely = log_prob[0].exp().numpy()
        seen = np.bincount(chosen[:, branch], minlength=len(likely)) / count
        deviation = np.sqrt(likely * (1.0 - likely) / count)
        assert np.all(np.abs(seen - likely) <= 4.0 * deviation)


def test_images_are_not_for_it():
    assert make_learner(make_spec((3, 24, 24), continuous=1), behavior_settings()).numpy_path is None


def test_large_networks_act_through_it_but_learn_through_autograd(monkeypatch):
    spec = make_spec((3,), continuous=1)
    settings = behavior_settings(
        "ppo", {"buffer_size": 16, "batch_size": 8}, {"hidden_units": 512, "num_layers": 2}
    )
    learner = make_learner(spec, settings)
    monkeypatch.setattr(learner.gradient_steps, "descend_in_numpy", None)
    assert drive(ScriptedEnv({"Test": Behavior(spec, crowd(3, 12, 6))}), learner, 12)


def test_a_policy_with_memory_acts_through_it_but_learns_through_autograd(monkeypatch):
    spec = make_spec((3,), branches=(2,))
    memory = {"memory_size": 8, "sequence_length": 4}
    learner = make_learner(
        spec, behavior_settings("ppo", {"buffer_size": 16, "batch_size": 8}, {"memory": memory})
    )
    monkeypatch.setattr(learner.policy, "choose", None)
    monkeypatch.setattr(learner.gradient_steps, "descend_in_numpy", None)
    assert drive(ScriptedEnv({"Test": Behavior(spec, crowd(3, 12, 6))}), learner, 12)
