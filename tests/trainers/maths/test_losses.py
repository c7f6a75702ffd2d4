"""Loss terms by hand and against finite differences."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trainers.maths.losses import (
    approximate_kl,
    clipped_policy_loss,
    clipped_value_loss,
    explained_variance,
    outside,
    policy_gradient_loss,
    value_loss,
)

EPSILON = 0.2


def batch(seed: int, rows: int = 12) -> tuple[torch.Tensor, ...]:
    """Log-probabilities of two parts each, old ones, and advantages, in float64."""
    rng = torch.Generator().manual_seed(seed)
    old = torch.randn(rows, 2, generator=rng, dtype=torch.float64)
    new = old + 0.3 * torch.randn(rows, 2, generator=rng, dtype=torch.float64)
    return new, old, torch.randn(rows, generator=rng, dtype=torch.float64)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_gradients_of_policy_losses_equal_finite_differences(seed):
    new, old, advantage = batch(seed)
    ratio = (new - old).exp()
    assume(((ratio - 1.0).abs() - EPSILON).abs().min() > 1e-3)  # not at a kink
    new.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: clipped_policy_loss(x, old, advantage, EPSILON), new)
    assert torch.autograd.gradcheck(lambda x: approximate_kl(x, old), new)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_policy_gradient_is_that_of_the_expected_advantage_under_the_policy_of_now(seed):
    """Off the policy that acted it follows the ratios; on it, it is the plain one of Mnih et al."""
    new, old, advantage = batch(seed)
    new.requires_grad_()

    def surrogate(x: torch.Tensor) -> torch.Tensor:
        return -((x - old).exp().sum(1) * advantage).mean()

    assert torch.autograd.gradcheck(surrogate, new)
    (expected,) = torch.autograd.grad(surrogate(new), new)
    (found,) = torch.autograd.grad(policy_gradient_loss(new, old, advantage), new)
    torch.testing.assert_close(found, expected)
    plain = -(new.sum(1) * advantage).mean()
    torch.testing.assert_close(policy_gradient_loss(new, new.detach(), advantage), plain)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_gradients_of_value_losses_equal_finite_differences(seed):
    rng = torch.Generator().manual_seed(seed)
    old, returns = (torch.randn(12, 2, generator=rng, dtype=torch.float64) for _ in range(2))
    value = old + 0.4 * torch.randn(12, 2, generator=rng, dtype=torch.float64)
    clipped = old + (value - old).clamp(-EPSILON, EPSILON)
    close = ((value - returns).abs() - (clipped - returns).abs()).abs()
    at_kink = (close < 1e-3) & (value != clipped)
    assume(not at_kink.any() and ((value - old).abs() - EPSILON).abs().min() > 1e-3)
    value.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: value_loss(x, returns), value)
    assert torch.autograd.gradcheck(lambda x: clipped_value_loss(x, old, returns, EPSILON), value)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "moves"),
    [
        (1.0, 2.0, -2.0, True),
        (1.1, 2.0, -2.2, True),
        (1.5, 2.0, -2.4, False),  # already likelier than the limit: no gain from more
        (0.5, 2.0, -1.0, True),  # less likely by mistake: free to go back
        (1.5, -2.0, 3.0, True),
        (0.5, -2.0, 1.6, False),
    ],
)
def test_clipped_policy_loss_by_hand(ratio, advantage, expected, moves):
    log_prob = torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    old = torch.zeros(1, 1, dtype=torch.float64)
    loss = clipped_policy_loss(log_prob, old, torch.tensor([advantage], dtype=torch.float64), EPSILON)
    loss.backward()
    assert loss.item() == pytest.approx(expected)
    assert log_prob.grad is not None
    assert log_prob.grad.item() == pytest.approx(-ratio * advantage if moves else 0.0)


@pytest.mark.parametrize(
    ("value", "old", "returns", "expected"),
    [
        (1.1, 1.0, 2.0, 0.9**2),  # within the range: the plain error
        (1.5, 1.0, 2.0, 0.8**2),  # too far towards the return: the clipped value counts
        (0.5, 1.0, 2.0, 1.5**2),  # too far away from it: the value itself counts
        (3.0, 1.0, 1.5, 1.5**2),
    ],
)
def test_clipped_value_loss_by_hand(value, old, returns, expected):
    found = clipped_value_loss(*(torch.tensor([[x]]) for x in (value, returns, old)), EPSILON)
    assert found.item() == pytest.approx(expected)


def test_losses_are_means_over_rows_and_streams():
    new, old, advantage = batch(0)
    value, returns = new, old
    pairs = [
        (
            clipped_policy_loss(new, old, advantage, EPSILON),
            lambda i: clipped_policy_loss(new[i], old[i], advantage[i], EPSILON),
        ),
        (
            policy_gradient_loss(new, old, advantage),
            lambda i: policy_gradient_loss(new[i], old[i], advantage[i]),
        ),
        (approximate_kl(new, old), lambda i: approximate_kl(new[i], old[i])),
    ]
    for whole, of_row in pairs:
        torch.testing.assert_close(whole, torch.stack([of_row(slice(i, i + 1)) for i in range(12)]).mean())
    torch.testing.assert_close(value_loss(value, returns), ((value - returns) ** 2).sum() / 24)


def test_approximate_kl_estimates_the_divergence_and_is_never_negative():
    rng = torch.Generator().manual_seed(0)
    old, new = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(0.3, 1.2)
    drawn = torch.randn(200_000, generator=rng)
    found = approximate_kl(new.log_prob(drawn), old.log_prob(drawn)).item()
    assert found == pytest.approx(torch.distributions.kl_divergence(old, new).item(), rel=0.03)
    for seed in range(20):
        new_log_prob, old_log_prob, _ = batch(seed)
        assert approximate_kl(new_log_prob, old_log_prob) >= 0.0
    assert approximate_kl(new_log_prob, new_log_prob) == 0.0


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), epsilon=st.floats(0.01, 3.0))
def test_ratios_outside_the_clip_range_are_counted_alike_in_numpy_and_torch(seed, epsilon):
    new, old, _ = batch(seed)
    ratio = (new - old).exp()
    expected = (ratio - 1.0).abs() > epsilon
    assume(((ratio - 1.0).abs() - epsilon).abs().min() > 1e-9)
    assert torch.equal(outside(new - old, epsilon), expected)
    assert (outside((new - old).numpy(), epsilon) == expected.numpy()).all()
    assert not outside(new - old, math.inf).any()


def test_explained_variance_of_known_critics():
    returns = torch.tensor([1.0, 2.0, 3.0, 6.0])
    assert explained_variance(returns, returns) == 1.0
    assert explained_variance(returns + 5.0, returns) == 1.0, "a constant error is no variance"
    assert explained_variance(torch.full((4,), 2.5), returns) == 0.0
    assert explained_variance(-returns, returns) == pytest.approx(-3.0)
    assert explained_variance(torch.zeros(4), torch.ones(4)) == 0.0
