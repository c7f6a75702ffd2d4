"""Losses of imitation, against values computed by hand."""

import math

import pytest
import torch

from trainers.maths.imitation import (
    between,
    bottleneck_divergence,
    cloning_loss,
    discriminator_loss,
    gradient_norm,
    imitation_reward,
)

NO_CHOICE = torch.zeros((2, 0), dtype=torch.int64)


def test_the_cloning_loss_is_a_mean_over_rows_and_dimensions_plus_one_over_rows_and_branches() -> None:
    action, shown = torch.tensor([[0.0, 1.0], [0.5, 0.5]]), torch.tensor([[1.0, 1.0], [0.5, -0.5]])
    probabilities = [torch.tensor([[0.25, 0.75], [0.5, 0.5]]), torch.tensor([[0.1, 0.9], [0.2, 0.8]])]
    picks = torch.tensor([[0, 1], [1, 0]])
    branches = [one.log() for one in probabilities]
    continuous = (1.0 + 0.0 + 0.0 + 1.0) / 4
    discrete = -(math.log(0.25) + math.log(0.9) + math.log(0.5) + math.log(0.2)) / 4
    assert float(cloning_loss(action, shown, branches, picks)) == pytest.approx(continuous + discrete)
    assert float(cloning_loss(action, shown, [], NO_CHOICE)) == pytest.approx(continuous)
    assert float(cloning_loss(action[:, :0], shown[:, :0], branches, picks)) == pytest.approx(discrete)


def test_the_discriminator_loss_is_that_of_its_probabilities() -> None:
    expert, policy = torch.tensor([0.5, 2.0]), torch.tensor([-1.0, 0.0])
    expected = -(expert.sigmoid().log().mean() + (1.0 - policy.sigmoid()).log().mean())
    assert float(discriminator_loss(expert, policy)) == pytest.approx(float(expected))
    large = torch.tensor([500.0])
    assert float(discriminator_loss(-large, large)) == pytest.approx(1000.0)


def test_the_reward_is_the_logarithm_of_the_odds_of_being_found_out() -> None:
    probability = torch.tensor([0.01, 0.5, 0.99], dtype=torch.float64)
    logit = (probability / (1.0 - probability)).log()
    assert imitation_reward(logit).tolist() == pytest.approx((-(1.0 - probability).log()).tolist())
    assert torch.isfinite(imitation_reward(torch.tensor([1e4, -1e4]))).all()


def test_the_gradient_norm_is_over_all_inputs_of_a_row() -> None:
    vector, image = torch.tensor([[1.0, 2.0], [0.5, -1.0]]), torch.ones((2, 1, 1, 2))
    weights = torch.tensor([3.0, 4.0], requires_grad=True)

    def score(inputs: list[torch.Tensor]) -> torch.Tensor:
        return (inputs[0].square() * weights).sum(1) / 2 + 2.0 * inputs[1].flatten(1).sum(1)

    norm = gradient_norm(score, [vector, image])
    by_hand = [math.sqrt(3**2 + 8**2 + 2**2 + 2**2), math.sqrt(1.5**2 + 4**2 + 2**2 + 2**2)]
    assert norm.tolist() == pytest.approx(by_hand)
    (slope,) = torch.autograd.grad(norm[0], weights)
    assert slope.tolist() == pytest.approx([3.0 / by_hand[0], 8.0 * 2.0 / by_hand[0]])


def test_a_flat_score_has_a_gradient_of_about_nothing_that_can_be_learned_from() -> None:
    weight = torch.zeros(1, requires_grad=True)
    norm = gradient_norm(lambda inputs: (inputs[0] * weight).sum(1), [torch.ones((2, 1))])
    assert norm.tolist() == pytest.approx([0.0, 0.0], abs=1e-5)
    norm.sum().backward()
    assert torch.isfinite(weight.grad).all()


def test_points_lie_between_rows_with_one_share_for_a_row() -> None:
    expert, policy = (
        [torch.zeros((2, 3)), torch.zeros((2, 1, 2, 2))],
        [torch.ones((2, 3)), torch.ones((2, 1, 2, 2))],
    )
    points = between(expert, policy, torch.tensor([0.25, 1.0]))
    for column in points:
        assert column[0].unique().tolist() == [0.75]
        assert column[1].unique().tolist() == [0.0]


def test_the_divergence_of_the_bottleneck_is_that_of_gaussians() -> None:
    rng = torch.Generator().manual_seed(0)
    expert, policy = (torch.randn((4, 3), generator=rng) for _ in range(2))
    deviation = torch.tensor([0.5, 1.0, 2.0])
    standard = torch.distributions.Normal(0.0, 1.0)
    expected = sum(
        torch.distributions.kl_divergence(torch.distributions.Normal(mean, deviation), standard).sum(1).mean()
        for mean in (expert, policy)
    )
    assert float(bottleneck_divergence(expert, policy, deviation)) == pytest.approx(float(expected), rel=1e-6)
    nothing = torch.zeros((4, 3))
    assert float(bottleneck_divergence(nothing, nothing, torch.ones(3))) == 0.0
