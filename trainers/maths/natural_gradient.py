"""The natural gradient: how to move a policy so that it gains most for a given change of what it does.

Sources: Kakade 2001, "A Natural Policy Gradient"; its length, and the products that spare the Fisher matrix: Schulman
et al. 2015, "Trust Region Policy Optimization", appendix C.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

ITERATIONS = 10
DAMPING = 0.1
"""Added to the diagonal of the Fisher matrix, whose smallest eigenvalues a rollout does not tell from 0."""
HALVINGS = 10


def natural_step(loss: Tensor, divergence: Tensor, parameters: Sequence[Tensor], limit: float) -> Tensor:
    """The step that lowers `loss` most among those after which the divergence is about `limit`.

    With the gradient g, the Fisher matrix F (the second derivative of the divergence) and H = F + DAMPING · I, it is
    s = -c H⁻¹ g with s·H s / 2 = limit.

    Args:
        loss: scalar, to be minimised.
        divergence: scalar KL(old || new), nats, where both are the same.
        parameters: what both depend on.
        limit: in nats; damping makes the divergence somewhat smaller.

    Returns:
        (sum of the parameters' sizes,) the step; zeros where the gradient is zero.
    """
    gradient = _joined(torch.autograd.grad(loss, parameters, retain_graph=True))
    slope = _joined(torch.autograd.grad(divergence, parameters, create_graph=True))

    def product(vector: Tensor) -> Tensor:
        fisher = torch.autograd.grad(slope @ vector, parameters, retain_graph=True)
        return _joined(fisher) + DAMPING * vector

    direction = conjugate_gradient(product, -gradient, ITERATIONS)
    curvature = direction @ product(direction)
    return direction * torch.where(curvature > 0.0, (2.0 * limit / curvature).sqrt(), 0.0)


@torch.no_grad()
def move_within(weights: Tensor, step: Tensor, divergence: Callable[[], Tensor], limit: float) -> None:
    """Add a step to weights, halved until the divergence that it leads to is within the limit.

    The step's length comes from a parabola, which a policy close to certain leaves at once.

    Args:
        weights: (n,), changed in place; as they were where HALVINGS are not enough.
        step: (n,).
        divergence: scalar KL(old || new), nats, with the weights as they then are.
        limit: in nats.
    """
    start = weights.clone()
    for halvings in range(HALVINGS + 1):
        torch.add(start, step, alpha=0.5**halvings, out=weights)
        if divergence() <= limit:
            return
    weights.copy_(start)


def conjugate_gradient(product: Callable[[Tensor], Tensor], target: Tensor, iterations: int) -> Tensor:
    """The x, (n,), with A x ≈ target, from products A v with a symmetric positive definite A.

    Source: Hestenes and Stiefel 1952, "Methods of Conjugate Gradients for Solving Linear Systems".
    """
    x = torch.zeros_like(target)
    residual, direction = target.clone(), target.clone()
    square = residual @ residual
    for _ in range(iterations):
        if not square > 0.0:
            break
        image = product(direction)
        length = square / (direction @ image)
        x += length * direction
        residual -= length * image
        previous, square = square, residual @ residual
        direction = residual + square / previous * direction
    return x


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])
