"""Adam over a few vectors of weights, by the kernel of torch's own optimiser."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn


@dataclass
class Moments:
    """One vector of weights, and what Adam knows of its gradients.

    Attributes:
        weights: (n,) the weights, with their gradient.
        rate: the learning rate; on a GPU a tensor, which a recorded step reads again (`Captured`).
        step: number of steps so far, as a tensor without axes.
        mean: (n,) running mean of the gradients.
        square: (n,) running mean of their squares.
    """

    weights: nn.Parameter
    rate: float | Tensor
    step: Tensor
    mean: Tensor
    square: Tensor


class Adam:
    """Adam with a learning rate for each vector of weights.

    It does what `torch.optim.Adam` does with `fused=True`. To make one of those takes more than a second, in which it
    loads torch's compiler, and its `step` takes longer than the kernel on a small network.

    Source: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization".

    Args:
        weights: the vectors, (n,) each.
        rates: the learning rate of each.
        betas: decay of the running means of gradients and of their squares.
        epsilon: is added to the root of the squares' mean.
    """

    def __init__(
        self,
        weights: Sequence[nn.Parameter],
        rates: Sequence[float],
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        self.betas, self.epsilon = betas, epsilon
        self.groups = [
            Moments(
                vector,
                torch.tensor(rate, device=vector.device) if vector.device.type == "cuda" else rate,
                torch.zeros((), dtype=torch.float32, device=vector.device),  # as the kernel takes it
                torch.zeros_like(vector.detach()),
                torch.zeros_like(vector.detach()),
            )
            for vector, rate in zip(weights, rates, strict=True)
        ]

    @property
    def rates(self) -> list[float]:
        """The learning rate of each vector."""
        return [float(group.rate) for group in self.groups]

    def set_rates(self, rates: Sequence[float]) -> None:
        """Set the learning rate of each vector."""
        for group, rate in zip(self.groups, rates, strict=True):
            if isinstance(group.rate, Tensor):
                group.rate.fill_(rate)
            else:
                group.rate = rate

    @torch.no_grad()
    def step(self, groups: int | None = None) -> None:
        """Take one step along the present gradients.

        Args:
            groups: number of vectors that move, from the first one on; None: all.
        """
        beta1, beta2 = self.betas
        for group in self.groups[:groups]:
            gradient, rate = group.weights.grad, cast(Any, group.rate)
            assert gradient is not None
            group.step += 1
            torch._fused_adam_(
                [group.weights],
                [gradient],
                [group.mean],
                [group.square],
                [],
                [group.step],
                lr=rate,
                beta1=beta1,
                beta2=beta2,
                weight_decay=0.0,
                eps=self.epsilon,
                amsgrad=False,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the moments and the learning rates, in the form of `torch.optim.Adam`."""
        return {
            "state": {
                index: {"step": group.step, "exp_avg": group.mean, "exp_avg_sq": group.square}
                for index, group in enumerate(self.groups)
                if group.step
            },
            "param_groups": [{"lr": rate, "params": [index]} for index, rate in enumerate(self.rates)],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned. The betas and epsilon are this optimiser's own.

        Raises:
            ValueError: a moment has another shape, or a number is out of its range.
        """
        rates = [group["lr"] for group in state["param_groups"]]
        if not all(type(rate) in (int, float) and 0 < rate < math.inf for rate in rates):
            raise ValueError(f"learning rates {rates}")
        self.load_moments(state["state"])
        self.set_rates(rates)

    def load_moments(self, state: Mapping[int, dict[str, Tensor]]) -> None:
        """Restore the entry `state` of what `state_dict` returned. The learning rates stay.

        Raises:
            ValueError: a moment has another shape, or a number is out of its range.
        """
        for index, group in enumerate(self.groups):
            if index in state:
                moments = state[index]
                require_moments(moments, group.weights)
                group.step.copy_(moments["step"])
                group.mean.copy_(moments["exp_avg"])
                group.square.copy_(moments["exp_avg_sq"])


def require_moments(state: dict[str, Tensor], weights: Tensor) -> None:
    """Require that Adam's state of one vector of weights fits it.

    Raises:
        ValueError: a moment has another shape, or a number is out of its range.
    """
    step, mean, square = state["step"], state["exp_avg"], state["exp_avg_sq"]
    if step.shape != () or any(
        (part.shape, part.dtype) != (weights.shape, weights.dtype) for part in (mean, square)
    ):
        raise ValueError(
            f"moments of {tuple(mean.shape)} and {tuple(square.shape)} for {tuple(weights.shape)} weights"
        )
    if not (
        step >= 1 and all(torch.isfinite(part).all() for part in (step, mean, square)) and (square >= 0).all()
    ):
        raise ValueError("moments that are negative or not finite")
