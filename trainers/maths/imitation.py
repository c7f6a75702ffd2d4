"""Losses of imitation: of behavioral cloning, and of GAIL's discriminator."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus


def cloning_loss(action: Tensor, shown: Tensor, log_probs: Sequence[Tensor], picks: Tensor) -> Tensor:
    """Return how far a policy is from what was demonstrated, a scalar.

    It is the squared error of continuous actions, a mean over rows and dimensions, plus the cross-entropy of discrete
    ones in nats, a mean over rows and branches. Source: Pomerleau 1991, "Efficient Training of Artificial Neural
    Networks for Autonomous Navigation".

    Args:
        action: (n, size) the policy's likeliest continuous actions, in the units that the environment takes.
        shown: (n, size) the demonstrated ones.
        log_probs: one (n, choices) tensor of log-probabilities per branch.
        picks: (n, branches) the demonstrated choices.
    """
    total = action.new_zeros(())
    if action.shape[1]:
        total = total + (action - shown).square().mean()
    if log_probs:
        taken = [branch.gather(1, picks[:, index : index + 1]) for index, branch in enumerate(log_probs)]
        total = total - torch.cat(taken, dim=1).mean()
    return total


def discriminator_loss(expert: Tensor, policy: Tensor) -> Tensor:
    """Return -mean[ln D(expert) + ln(1 - D(policy))] of D = sigmoid(logit), a scalar.

    It is least where D is p / (p + q), with the densities p of the expert and q of the policy. Source: Goodfellow et
    al. 2014, "Generative Adversarial Networks", proposition 1; Ho and Ermon 2016, "Generative Adversarial Imitation
    Learning", equation 16, with the expert as 1.

    Args:
        expert: (n,) logits of what was demonstrated.
        policy: (n,) logits of what the policy did.
    """
    return softplus(-expert).mean() + softplus(policy).mean()


def imitation_reward(logit: Tensor) -> Tensor:
    """Return -ln(1 - D) of D = sigmoid(logit), of the same shape; it is above 0."""
    return softplus(logit)


def gradient_norm(score: Callable[[list[Tensor]], Tensor], inputs: Sequence[Tensor]) -> Tensor:
    """Return the Euclidean norm of each row's gradient with respect to all inputs together, (n,).

    Args:
        score: returns (n,) scores of inputs, each row's from that row alone.
        inputs: (n, ...) each, floats.
    """
    points = [values.detach().requires_grad_() for values in inputs]
    gradients = torch.autograd.grad(score(points).sum(), points, create_graph=True)
    squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0)
    return (squares + 1e-12).sqrt()  # the root has no derivative at 0


def between(expert: Sequence[Tensor], policy: Sequence[Tensor], share: Tensor) -> list[Tensor]:
    """Return points between pairs of rows, (n, ...) each: one number of `share`, (n,), is the expert's part of a row.

    Source: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", algorithm 1.
    """
    points = []
    for one, other in zip(expert, policy, strict=True):
        part = share.view(-1, *[1] * (one.dim() - 1))
        points.append(part * one + (1.0 - part) * other)
    return points


def bottleneck_divergence(expert: Tensor, policy: Tensor, deviation: Tensor) -> Tensor:
    """Return KL(N(expert, deviation²) || N(0, 1)) + KL(N(policy, deviation²) || N(0, 1)) in nats, a mean over rows.

    Source: Peng et al. 2019, "Variational Discriminator Bottleneck", equation 7; the sum of both, as in ML-Agents.

    Args:
        expert: (n, size) mean codes of what was demonstrated.
        policy: (n, size) those of what the policy did.
        deviation: (size,) the standard deviation of the codes.
    """
    variance = deviation.square()
    divergence = variance - variance.log() - 1.0 + 0.5 * (expert.square() + policy.square())
    return divergence.sum(1).mean()
