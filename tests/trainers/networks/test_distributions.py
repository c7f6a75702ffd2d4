"""Action distributions against torch.distributions, counting and finite differences."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.distributions import Categorical, Normal, kl_divergence

from trainers.networks.distributions import ActionDistribution, Actions, branch_log_probs

SAMPLES = 20_000
BRANCHES = (3, 2, 4)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def hybrid(rows: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Means, log standard deviations and logits of a hybrid action, as leaves of a graph."""
    rng = generator(1)
    mean = torch.randn(rows, 2, generator=rng, dtype=dtype)
    log_std = torch.tensor([-0.5, 0.3], dtype=dtype)
    logits = torch.randn(rows, sum(BRANCHES), generator=rng, dtype=dtype)
    return mean.requires_grad_(), log_std.requires_grad_(), logits.requires_grad_()


def some_actions(rows: int, dtype: torch.dtype = torch.float64) -> Actions:
    rng = generator(2)
    continuous = torch.randn(rows, 2, generator=rng, dtype=dtype)
    discrete = torch.stack([torch.randint(size, (rows,), generator=rng) for size in BRANCHES], dim=1)
    return Actions(continuous, discrete)


def test_log_prob_is_that_of_independent_parts():
    mean, log_std, logits = hybrid(7)
    actions = some_actions(7)
    found = ActionDistribution(mean, log_std, branch_log_probs(logits, BRANCHES, None)).log_prob(actions)
    branches = [
        Categorical(logits=part).log_prob(actions.discrete[:, branch])
        for branch, part in enumerate(logits.split(BRANCHES, dim=1))
    ]
    expected = torch.cat(
        [Normal(mean, log_std.exp()).log_prob(actions.continuous), torch.stack(branches, dim=1)], dim=1
    )
    torch.testing.assert_close(found, expected)


def test_divergence_is_that_of_independent_parts():
    old, new = hybrid(7), [tensor + 0.3 * tensor.detach().square() for tensor in hybrid(7)]
    was, now = (
        ActionDistribution(mean, log_std, branch_log_probs(logits, BRANCHES, None))
        for mean, log_std, logits in (old, new)
    )
    expected = kl_divergence(Normal(old[0], old[1].exp()), Normal(new[0], new[1].exp())).sum(1)
    for before, after in zip(old[2].split(BRANCHES, dim=1), new[2].split(BRANCHES, dim=1), strict=True):
        expected = expected + kl_divergence(Categorical(logits=before), Categorical(logits=after))
    torch.testing.assert_close(now.divergence_from(was), expected)
    torch.testing.assert_close(now.divergence_from(now.detach()), torch.zeros(7, dtype=torch.float64))


def test_divergence_is_finite_where_actions_are_forbidden():
    _, _, logits = hybrid(2)
    forbidden = torch.zeros(2, sum(BRANCHES), dtype=torch.bool)
    forbidden[:, 1] = True
    now, was = (
        ActionDistribution(logits[:, :0], logits[0, :0], branch_log_probs(values, BRANCHES, forbidden))
        for values in (logits, logits.detach() * 2.0)
    )
    divergence = now.divergence_from(was)
    divergence.sum().backward()
    assert (divergence > 0.0).all()
    assert torch.isfinite(divergence).all()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[:, 1] == 0.0).all()


def test_entropy_averages_continuous_dimensions_and_sums_branches():
    mean, log_std, logits = hybrid(7)
    found = ActionDistribution(mean, log_std, branch_log_probs(logits, BRANCHES, None)).entropy()
    expected = Normal(mean, log_std.exp()).entropy().mean(1)
    for part in logits.split(BRANCHES, dim=1):
        expected = expected + Categorical(logits=part).entropy()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("part", ["continuous", "discrete", "hybrid"])
def test_a_part_that_is_missing_adds_nothing(part):
    mean, log_std, logits = hybrid(5)
    actions = some_actions(5)
    branches = branch_log_probs(logits, BRANCHES, None)
    if part == "continuous":
        distribution = ActionDistribution(mean, log_std, ())
        expected = Normal(mean, log_std.exp()).log_prob(actions.continuous)
    elif part == "discrete":
        distribution = ActionDistribution(mean[:, :0], log_std[:0], branches)
        actions = Actions(actions.continuous[:, :0], actions.discrete)
        expected = torch.cat(
            [branch.gather(1, actions.discrete[:, i : i + 1]) for i, branch in enumerate(branches)], dim=1
        )
    else:
        distribution = ActionDistribution(mean, log_std, branches)
        expected = distribution.log_prob(actions)
    torch.testing.assert_close(distribution.log_prob(actions), expected)
    for drawn in (distribution.sample(generator()), distribution.mode()):
        assert drawn.continuous.shape == distribution.mean.shape
        assert drawn.discrete.shape == (5, len(distribution.log_probs))
        assert drawn.discrete.dtype == torch.int64
        assert distribution.log_prob(drawn).shape == expected.shape


@pytest.mark.parametrize("what", ["log_prob", "entropy"])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_equal_finite_differences(what, masked):
    actions = some_actions(4)
    forbidden = None
    if masked:
        forbidden = torch.rand(4, sum(BRANCHES), generator=generator(3)) < 0.4
        offset = 0
        for branch, size in enumerate(BRANCHES):  # what was done was allowed
            forbidden[torch.arange(4), offset + actions.discrete[:, branch]] = False
            offset += size

    def figure(mean: torch.Tensor, log_std: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        distribution = ActionDistribution(mean, log_std, branch_log_probs(logits, BRANCHES, forbidden))
        return distribution.log_prob(actions) if what == "log_prob" else distribution.entropy()

    assert torch.autograd.gradcheck(figure, hybrid(4))


def test_sampled_continuous_actions_have_the_right_moments():
    mean = torch.tensor([[-2.0, 5.0]]).expand(SAMPLES, 2)
    log_std = torch.tensor([math.log(0.1), math.log(3.0)])
    drawn = ActionDistribution(mean, log_std, ()).sample(generator()).continuous
    error = 5.0 / math.sqrt(SAMPLES)
    torch.testing.assert_close(drawn.mean(0), mean[0], rtol=0, atol=3.0 * error)
    torch.testing.assert_close(drawn.std(0), log_std.exp(), rtol=error, atol=0)
    assert abs(np.corrcoef(drawn.numpy().T)[0, 1]) < error


def test_sampled_branches_have_the_right_frequencies():
    logits = torch.tensor([[0.0, 1.0, -1.0, 2.0, 0.0]]).expand(SAMPLES, 5)
    forbidden = torch.tensor([[False, False, False, False, False]]).expand(SAMPLES, 5)
    log_probs = branch_log_probs(logits, (3, 2), forbidden)
    drawn = (
        ActionDistribution(torch.zeros(SAMPLES, 0), torch.zeros(0), log_probs).sample(generator()).discrete
    )
    for branch, part in enumerate(log_probs):
        frequency = torch.bincount(drawn[:, branch], minlength=part.shape[1]) / SAMPLES
        torch.testing.assert_close(frequency, part[0].exp(), rtol=0, atol=2.5 / math.sqrt(SAMPLES))


@settings(deadline=None, max_examples=25)
@given(
    logits=arrays.arrays(np.float32, (5,), elements=st.floats(-30, 30, width=32)),
    allowed=st.tuples(st.sets(st.integers(0, 2), min_size=1), st.sets(st.integers(0, 1), min_size=1)),
)
def test_forbidden_actions_have_probability_zero_and_are_never_taken(logits, allowed):
    forbidden = torch.ones(2000, 5, dtype=torch.bool)
    for offset, choices in zip((0, 3), allowed, strict=True):
        for choice in choices:
            forbidden[:, offset + choice] = False
    log_probs = branch_log_probs(torch.from_numpy(logits).expand(2000, 5), (3, 2), forbidden)
    distribution = ActionDistribution(torch.zeros(2000, 0), torch.zeros(0), log_probs)
    for branch, part in enumerate(log_probs):
        probability = part[0].exp()
        torch.testing.assert_close(probability.sum(), torch.tensor(1.0))
        impossible = sorted(set(range(len(probability))) - allowed[branch])
        assert (probability[impossible] == 0.0).all()
    for drawn in (distribution.sample(generator()), distribution.mode()):
        for branch, choices in enumerate(allowed):
            assert set(drawn.discrete[:, branch].tolist()) <= choices
        assert torch.isfinite(distribution.log_prob(drawn)).all()
    assert torch.isfinite(distribution.entropy()).all()


def test_a_single_allowed_action_is_certain():
    logits = torch.randn(8, 5, generator=generator())
    forbidden = torch.ones(8, 5, dtype=torch.bool)
    forbidden[:, [2, 3]] = False
    distribution = ActionDistribution(
        torch.zeros(8, 0), torch.zeros(0), branch_log_probs(logits, (3, 2), forbidden)
    )
    drawn = distribution.sample(generator())
    assert drawn.discrete.tolist() == [[2, 0]] * 8
    assert distribution.log_prob(drawn).tolist() == [[0.0, 0.0]] * 8
    assert distribution.entropy().tolist() == [0.0] * 8


def test_gradients_do_not_flow_into_forbidden_logits():
    logits = torch.randn(6, 4, generator=generator(), requires_grad=True)
    forbidden = torch.tensor([[False, True, False, True]]).expand(6, 4)
    distribution = ActionDistribution(
        torch.zeros(6, 0), torch.zeros(0), branch_log_probs(logits, (4,), forbidden)
    )
    drawn = distribution.sample(generator())
    (distribution.log_prob(drawn).sum() + distribution.entropy().sum()).backward()
    assert logits.grad is not None
    assert (logits.grad[forbidden] == 0.0).all()
    assert (logits.grad[~forbidden] != 0.0).all()


def test_mode_is_the_mean_and_the_likeliest_choices():
    mean, log_std, logits = hybrid(9)
    mode = ActionDistribution(mean, log_std, branch_log_probs(logits, BRANCHES, None)).mode()
    assert torch.equal(mode.continuous, mean)
    for branch, part in enumerate(logits.split(BRANCHES, dim=1)):
        assert torch.equal(mode.discrete[:, branch], part.argmax(1))


def test_sampling_is_repeatable_by_generator():
    mean, log_std, logits = hybrid(50)
    distribution = ActionDistribution(mean, log_std, branch_log_probs(logits, BRANCHES, None))
    first, again, other = (distribution.sample(generator(seed)) for seed in (4, 4, 5))
    assert torch.equal(first.continuous, again.continuous)
    assert torch.equal(first.discrete, again.discrete)
    assert not torch.equal(first.continuous, other.continuous)
