"""Running moments against numpy over everything at once, and what the network sees."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learner_tools import behavior_settings, drive, make_learner
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from trainers.networks.normalizer import RunningMoments, VectorNormalizer


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 50), min_size=1, max_size=8),
    offset=st.floats(-1e4, 1e4),
    scale=st.floats(1e-2, 1e3),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_running_moments_equal_numpy_over_all_batches(sizes, offset, scale, dtype):
    rng = np.random.default_rng(0)
    batches = [(offset + scale * rng.normal(size=(size, 3))).astype(dtype) for size in sizes]
    moments = RunningMoments(3)
    for batch in batches:
        moments.update(batch)

    # The start counts as one value of mean 0 and variance 1: half a value at -1, half a value at 1.
    everything = np.concatenate([np.full((1, 3), -1.0), np.ones((1, 3)), *batches]).astype(np.float64)
    weights = np.array([0.5, 0.5] + [1.0] * sum(sizes))
    mean = np.average(everything, axis=0, weights=weights)
    variance = np.average((everything - mean) ** 2, axis=0, weights=weights)
    assert moments.count == 1 + sum(sizes)
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-9, atol=1e-9 * scale)
    np.testing.assert_allclose(moments.variance, variance, rtol=1e-7)


def test_running_moments_do_not_depend_on_how_the_data_is_cut():
    values = np.random.default_rng(1).normal(3.0, 2.0, (100, 2))
    whole, pieces = RunningMoments(2), RunningMoments(2)
    whole.update(values)
    for piece in np.split(values, [1, 2, 30, 31, 99]):
        pieces.update(piece)
    np.testing.assert_allclose(whole.mean, pieces.mean)
    np.testing.assert_allclose(whole.variance, pieces.variance)


def test_moments_survive_saving_and_are_not_shared():
    moments, other = RunningMoments(2), RunningMoments(2)
    moments.update(np.array([[1.0, 2.0], [3.0, 5.0]]))
    other.load_state_dict(moments.state_dict())
    np.testing.assert_array_equal(other.mean, moments.mean)
    np.testing.assert_array_equal(other.variance, moments.variance)
    assert other.count == moments.count
    before = moments.mean.copy()
    other.update(np.array([[100.0, 100.0]]))
    np.testing.assert_array_equal(moments.mean, before)


def test_normalizer_centres_scales_and_clips_at_five():
    moments = RunningMoments(2)
    moments.mean, moments.variance = np.array([10.0, -1.0]), np.array([4.0, 0.25])
    normalizer = VectorNormalizer(2)
    values = torch.tensor([[10.0, -1.0], [12.0, -1.5], [21.0, 4.0], [-100.0, -100.0]])
    torch.testing.assert_close(normalizer(values / 100.0), values / 100.0)  # nothing known yet: unchanged
    normalizer.assign(moments)
    expected = torch.tensor([[0.0, 0.0], [1.0, -1.0], [5.0, 5.0], [-5.0, -5.0]])
    torch.testing.assert_close(normalizer(values), expected, rtol=0, atol=1e-5)


def test_a_constant_observation_stays_finite():
    moments = RunningMoments(1)
    for _ in range(100):
        moments.update(np.full((1000, 1), 3.0))
    normalizer = VectorNormalizer(1)
    normalizer.assign(moments)
    assert torch.isfinite(normalizer(torch.tensor([[3.0], [3.1], [1e6]]))).all()


def test_normalizer_stands_still_from_acting_to_learning_and_moves_after_it():
    spec = make_spec((5,), continuous=2)
    env = ScriptedEnv({"Test": Behavior(spec, crowd(4, 60, 7))})
    learner = make_learner(
        spec, behavior_settings(hyperparameters={"buffer_size": 40}, network={"normalize": True})
    )
    normalizer = learner.policy.normalizer
    assert normalizer is not None
    seen: list[list[float]] = []
    learn = learner.optimise

    def watch(batch):
        before = normalizer.mean.tolist()
        learn(batch)
        assert normalizer.mean.tolist() == before, "moved while learning"
        seen.append(before)

    learner.optimise = watch  # type: ignore[method-assign]
    acting = []
    choose = learner.choose
    learner.choose = lambda batch: (acting.append(normalizer.mean.tolist()), choose(batch))[1]  # type: ignore[method-assign]
    updates = drive(env, learner, 60)
    assert len(updates) >= 4
    assert acting[: updates[0]] == [[0.0] * 5] * updates[0], "known before anything was seen"
    assert updates[0] < updates[1] - updates[0], "a short look comes first"
    for rollout, (first, last) in enumerate(pairwise(updates)):
        assert acting[first:last] == [seen[rollout]] * (last - first)
    assert len({tuple(mean) for mean in seen}) == len(updates) - 1
    assert [0.0] * 5 not in seen, "learned from raw observations"


def test_normalizer_knows_each_rewarded_decision_once():
    spec = make_spec((3,), continuous=1)
    plan = Behavior(spec, crowd(3, 50, 6, interrupted=True))
    learner = make_learner(
        spec, behavior_settings(hyperparameters={"buffer_size": 30}, network={"normalize": True})
    )
    updates = drive(ScriptedEnv({"Test": plan}), learner, 50)
    rewarded = []
    for number, life in enumerate(plan.lives):
        following = (*life.visits[1:], life.ending)
        for index, (visit, later) in enumerate(zip(life.visits, following, strict=True)):
            if later.step <= updates[-1]:
                rewarded.append([number, index, visit.value])
    expected = RunningMoments(3)
    expected.update(np.array(rewarded))
    assert learner.observation_moments.count == 1 + len(rewarded)
    np.testing.assert_allclose(learner.observation_moments.mean, expected.mean, rtol=1e-6)
    np.testing.assert_allclose(learner.observation_moments.variance, expected.variance, rtol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_learned_unless_training(training):
    spec = make_spec((3,), continuous=1, branches=(2,))
    learner = make_learner(
        spec, behavior_settings(hyperparameters={"buffer_size": 20}, network={"normalize": True})
    )
    learner.training = training
    before = {name: tensor.clone() for name, tensor in learner.policy.state_dict().items()}
    drive(ScriptedEnv({"Test": Behavior(spec, crowd(4, 40, 6))}), learner, 40)
    changed = [
        name for name, tensor in learner.policy.state_dict().items() if not torch.equal(tensor, before[name])
    ]
    assert bool(changed) == training
    assert (learner.observation_moments.count > 1) == training
    assert learner.metrics.episodes > 0
