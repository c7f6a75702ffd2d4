"""Noise of continuous actions that is correlated from one decision of an agent to the next."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from learner_tools import behavior_settings, drive, make_learner
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from trainers.algorithms.learner import Learner
from trainers.experience.agents import AgentBatch
from trainers.networks.distributions import Actions
from trainers.networks.noise import Noise
from trainers.networks.policy_network import ActionSample

HYBRID = make_spec((4,), continuous=2, branches=(3,))


def noisy(kind: str = "ppo", correlation: float = 0.8, in_numpy: bool = True, **hyper) -> Learner:
    replay = {"buffer_size": 5000, "buffer_init_steps": 4000} if kind == "sac" else {"buffer_size": 4000}
    keys = {"batch_size": 32, "noise_correlation": correlation, "noise_correlation_steps": 1_000_000}
    learner = make_learner(HYBRID, behavior_settings(kind, {**replay, **keys, **hyper}))
    if not in_numpy and kind != "sac":
        learner.numpy_path = None
    return learner


def watched(learner: Learner) -> list[tuple[AgentBatch, ActionSample]]:
    """A list that grows by each batch and what was chosen."""
    seen: list[tuple[AgentBatch, ActionSample]] = []
    choose = learner.choose

    def watch(batch: AgentBatch) -> ActionSample:
        seen.append((batch, choose(batch)))
        return seen[-1][1]

    learner.choose = watch  # type: ignore[method-assign]
    return seen


def some_life(steps: int = 120, agents: int = 20) -> ScriptedEnv:
    return ScriptedEnv({"Test": Behavior(HYBRID, crowd(agents, steps + 5, 9))})


@given(correlation=st.floats(0, 0.99), seed=st.integers(0, 100))
def test_each_number_is_standard_normal_and_correlated_with_the_one_before(correlation, seed):
    rng = np.random.default_rng(seed)
    before = rng.normal(size=(20_000, 2)).astype(np.float32)
    after = Noise(before, correlation).after(rng.normal(size=before.shape).astype(np.float32))
    assert after.dtype == np.float32
    assert after.mean() == pytest.approx(0.0, abs=0.03)
    assert after.std() == pytest.approx(1.0, abs=0.03)
    for column in range(2):
        found = np.corrcoef(before[:, column], after[:, column])[0, 1]
        assert found == pytest.approx(correlation, abs=0.04)
    assert np.corrcoef(after.T)[0, 1] == pytest.approx(0.0, abs=0.04), "dimensions are independent"


def test_an_episode_begins_with_independent_noise():
    before = np.array([[0.0, 0.0], [0.5, -2.0]], np.float32)
    fresh = np.array([[1.0, -1.5], [1.0, 0.0]], np.float32)
    after = Noise(before, 0.6).after(fresh)
    np.testing.assert_allclose(after, [[1.0, -1.5], [0.3 + 0.8, -1.2]], rtol=1e-6)


@pytest.mark.parametrize(("kind", "in_numpy"), [("ppo", True), ("ppo", False), ("a2c", True), ("sac", False)])
def test_the_noise_of_each_agent_follows_its_own(kind, in_numpy):
    learner = noisy(kind, in_numpy=in_numpy)
    seen = watched(learner)
    drive(some_life(), learner, 120)
    before = np.concatenate([batch.noise for batch, _ in seen])
    after = np.concatenate([sample.noise for _, sample in seen])
    begun = ~before.any(1)
    assert 20 < begun.sum() < len(begun) / 3
    assert np.corrcoef(before[~begun].ravel(), after[~begun].ravel())[0, 1] == pytest.approx(0.8, abs=0.05)
    assert after.std() == pytest.approx(1.0, abs=0.06)
    latest: dict[int, np.ndarray] = {}
    for batch, sample in seen:
        for slot, past, drawn in zip(batch.slots.tolist(), batch.noise, sample.noise, strict=True):
            assert not past.any() or np.array_equal(past, latest[slot])
            latest[slot] = drawn


@pytest.mark.parametrize(("kind", "in_numpy"), [("ppo", True), ("ppo", False), ("sac", False)])
def test_actions_are_means_with_that_noise_and_have_their_own_log_probability(kind, in_numpy):
    learner = noisy(kind, in_numpy=in_numpy)
    seen = watched(learner)
    drive(some_life(10), learner, 10)
    for batch, sample in seen:
        with torch.no_grad():
            policy = learner.policy.distribution(learner.policy.upload(batch.observations), None)
            expected = policy.mean + torch.from_numpy(sample.noise) * policy.log_std.exp()
            expected = expected.tanh() if kind == "sac" else expected
            np.testing.assert_allclose(sample.continuous, expected.numpy(), rtol=1e-4, atol=1e-5)
            if kind != "sac":
                actions = Actions(torch.from_numpy(sample.continuous), torch.from_numpy(sample.discrete))
                log_prob = policy.log_prob(actions).numpy()
                np.testing.assert_allclose(sample.log_prob, log_prob, rtol=1e-3, atol=1e-4)


def test_the_correlation_falls_to_none_over_its_steps_or_a_tenth_of_the_training():
    learner = noisy(correlation=0.8, noise_correlation_steps=200)
    batch = watched(learner)
    drive(some_life(10), learner, 10)
    for step, expected in ((0, 0.8), (50, 0.6), (199, 0.004)):
        learner.step = step
        found = learner.noise_after(batch[0][0])
        assert found is not None
        assert found.correlation == pytest.approx(expected)
    learner.step = 200
    assert learner.noise_after(batch[0][0]) is None
    by_default = noisy(noise_correlation_steps=None)
    by_default.step = by_default.settings.max_steps // 20
    assert by_default.noise_after(batch[0][0]).correlation == pytest.approx(0.4)


def test_noise_is_independent_without_the_key_in_inference_and_once_the_correlation_has_gone():
    without, watching, later = noisy(correlation=0.0), noisy(), noisy(noise_correlation_steps=1)
    watching.training = False
    later.step = 1
    for learner in (without, watching, later):
        seen = watched(learner)
        drive(some_life(10), learner, 10)
        assert all(sample.noise is None for _, sample in seen)
    assert without.actor("Test").agents.noise_of(np.zeros(0, np.int64)) is None


def test_without_the_key_nothing_changes():
    """The same random numbers in the same order: independent noise is correlated noise without correlation."""
    one, other = noisy(correlation=0.0), noisy(correlation=1e-9)
    actions = [watched(one), watched(other)]
    for learner in (one, other):
        drive(some_life(20), learner, 20)
    for (_, ours), (_, theirs) in zip(*actions, strict=True):
        np.testing.assert_allclose(ours.continuous, theirs.continuous, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(ours.discrete, theirs.discrete)
