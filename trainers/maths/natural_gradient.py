"""The natural gradient: the step that lowers a loss most for a given change of the policy.

Sources: Kakade 2001, "A Natural Policy Gradient"; for the step size and for products with the Fisher matrix that do not
compute the matrix, Schulman et al. 2015, "Trust Region Policy Optimization", appendix C.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

ITERATIONS = 10
"""Iterations of the conjugate gradient method."""
DAMPING = 0.1
"""Added to the diagonal of the Fisher matrix, because a rollout cannot tell its smallest eigenvalues from 0."""
HALVINGS = 10
"""The most often that `move_within` halves a step."""


def natural_step(
    loss: Tensor,
    divergence: Tensor,
    parameters: Sequence[Tensor],
    limit: float,
    mean: Callable[[Tensor], Tensor] = lambda values: values,
) -> Tensor:
    """Return the step that lowers `loss` most among the steps after which the divergence is about `limit`.

    With the gradient g, the Fisher matrix F (the Hessian of the divergence) and H = F + DAMPING · I, the step is
    s = -c H⁻¹ g, where c > 0 makes s·H s / 2 equal to `limit`.

    Args:
        loss: scalar, to be minimised.
        divergence: scalar KL(old || new) in nats, computed where both policies are the same.
        parameters: the parameters that both depend on.
        limit: KL divergence in nats. The damping makes the divergence that is reached somewhat smaller.
        mean: returns the mean over all processes that learn together, of a vector that each of them has.

    Returns:
        The step as one vector, (number of parameters,); zeros where the gradient is zero.
    """
    gradient = mean(_joined(torch.autograd.grad(loss, parameters, retain_graph=True)))
    divergence_gradient = _joined(torch.autograd.grad(divergence, parameters, create_graph=True))

    def product(vector: Tensor) -> Tensor:
        fisher = torch.autograd.grad(divergence_gradient @ vector, parameters, retain_graph=True)
        return mean(_joined(fisher)) + DAMPING * vector

    direction = conjugate_gradient(product, -gradient, ITERATIONS)
    curvature = direction @ product(direction)
    return direction * torch.where(curvature > 0.0, (2.0 * limit / curvature).sqrt(), 0.0)


@torch.no_grad()
def move_within(weights: Tensor, step: Tensor, divergence: Callable[[], Tensor], limit: float) -> None:
    """Add a step to weights, and halve the step until the divergence is within the limit.

    `natural_step` takes the divergence as quadratic in the step, which is inaccurate for a nearly deterministic policy.

    Args:
        weights: (n,), changed in place. They are restored if HALVINGS halvings are not enough.
        step: (n,).
        divergence: returns the scalar KL(old || new) in nats for the present content of `weights`.
        limit: KL divergence in nats.
    """
    start = weights.clone()
    for halvings in range(HALVINGS + 1):
        torch.add(start, step, alpha=0.5**halvings, out=weights)
        if divergence() <= limit:
            return
    weights.copy_(start)


def conjugate_gradient(product: Callable[[Tensor], Tensor], target: Tensor, iterations: int) -> Tensor:
    """Return an approximate solution x of A x = target, (n,).

    Source: Hestenes and Stiefel 1952, "Methods of Conjugate Gradients for Solving Linear Systems".

    Args:
        product: maps a vector v, (n,), to A v, where A is symmetric and positive definite.
        target: (n,).
        iterations: the most iterations.
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
