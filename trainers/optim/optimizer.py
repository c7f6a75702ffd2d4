"""Adam: step sizes, their schedules, and the limit on the gradient."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from trainers.maths.schedules import LEARNING_RATE_FLOOR, decayed
from trainers.optim.collective import Alone, Collective

ADAPTIVE_FACTOR = 1.5
ADAPTIVE_RANGE = (1e-6, 1e-2)


class StepSettings(Protocol):
    """The keys of an algorithm's settings that an optimiser reads."""

    learning_rate_schedule: Any
    max_grad_norm: float | None
    adam_epsilon: float


class FlatAdam:
    """Adam over parameters laid side by side, with a schedule for its step sizes and a limit on the gradient.

    Source: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization".

    Args:
        groups: parameters that share a step size.
        rates: the step size of each group at the start; None leaves the group to others.
        hyper: `learning_rate_schedule`, `adam_epsilon`, `max_grad_norm`.
        max_steps: agent steps over which a linear schedule falls.
        collective: who learns the same weights; every step follows the mean of all their gradients.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[nn.Parameter]],
        rates: Sequence[float | None],
        hyper: StepSettings,
        max_steps: int,
        collective: Collective | None = None,
    ) -> None:
        self.collective = collective or Alone()
        self.max_steps = max_steps
        self.schedule, self.max_grad_norm = hyper.learning_rate_schedule, hyper.max_grad_norm
        self.scale = 1.0
        self.flat, self.gradient = flatten(groups)
        moved = [(flat, rate) for flat, rate in zip(self.flat, rates, strict=True) if rate is not None]
        self.initial_rates = tuple(rate for _, rate in moved)
        self.adam = torch.optim.Adam(
            [{"params": [flat], "lr": rate} for flat, rate in moved],
            eps=hyper.adam_epsilon,
            fused=self.gradient.device.type in ("cpu", "cuda"),
        )

    @property
    def learning_rate(self) -> float:
        """The step size at present of the first group that has one."""
        return float(self.adam.param_groups[0]["lr"])

    @property
    def is_finite(self) -> bool:
        """No weight has become NaN or infinite."""
        total = torch.stack(
            [flat.detach().sum() for flat in self.flat]
        ).sum()  # one that is not shows in the sum
        return bool(torch.isfinite(total))

    def set_learning_rate(self, step: int) -> None:
        """Use the step sizes that the schedule gives at agent step `step`."""
        for group, initial in zip(self.adam.param_groups, self.initial_rates, strict=True):
            rate = decayed(initial, LEARNING_RATE_FLOOR, self.schedule, step, self.max_steps)
            group["lr"] = rate * self.scale

    def descend(self, loss: Tensor) -> None:
        """One gradient step."""
        self.gradient.zero_()
        loss.backward()
        self.step()

    def step(self) -> None:
        """Move the weights along the gradients that are there, shortened to `max_grad_norm`."""
        if self.collective.size > 1:
            self.gradient.copy_(self.collective.mean(self.gradient))
        on_cpu = self.gradient.device.type == "cpu"
        if self.max_grad_norm is not None:
            if on_cpu:
                _shorten(self.gradient.numpy(), self.max_grad_norm)
            else:
                norm = torch.linalg.vector_norm(self.gradient)
                self.gradient.mul_((self.max_grad_norm / (norm + 1e-6)).clamp(max=1.0))
        if on_cpu and self.adam.state:  # the first step allocates the moments
            self._step_on_cpu()
        else:
            self.adam.step()

    @torch.no_grad()
    def _step_on_cpu(self) -> None:
        """`self.adam.step()` without what it does around its kernel, which takes longer than a small network's step."""
        for group in self.adam.param_groups:
            (flat,), (beta1, beta2) = group["params"], group["betas"]
            state = self.adam.state[flat]
            state["step"] += 1
            torch._fused_adam_(
                [flat],
                [flat.grad],
                [state["exp_avg"]],
                [state["exp_avg_sq"]],
                [],
                [state["step"]],
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=0.0,
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        """Adam's moments and the adapted scale."""
        return {"adam": self.adam.state_dict(), "scale": self.scale}

    def fits(self, state: dict[str, Any]) -> bool:
        """Whether `state` is that of as many groups."""
        return len(state["adam"]["param_groups"]) == len(self.adam.param_groups)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.adam.load_state_dict(state["adam"])
        self.scale = state["scale"]

    def adapt(self, kl: float, target_kl: float) -> None:
        """Raise or lower the step sizes so that an epoch moves the policy by about `target_kl`.

        The rule is the usual one for an adaptive KL: a factor of 1.5 when the divergence leaves [target / 2,
        2 target]; the actor's rate stays within 1e-6 and 1e-2.
        """
        if kl > 2.0 * target_kl:
            self.scale /= ADAPTIVE_FACTOR
        elif kl < 0.5 * target_kl:
            self.scale *= ADAPTIVE_FACTOR
        low, high = (limit / self.initial_rates[0] for limit in ADAPTIVE_RANGE)
        self.scale = min(max(self.scale, low), high)
        for group, initial in zip(self.adam.param_groups, self.initial_rates, strict=True):
            group["lr"] = initial * self.scale


def flatten(groups: Sequence[Sequence[nn.Parameter]]) -> tuple[list[nn.Parameter], Tensor]:
    """Lay parameters side by side in one vector per group, so that a step is one operation on it.

    The parameters become views of their group's vector. All gradients lie side by side in one more vector.

    Returns:
        The vectors of the groups, and the vector of all gradients.
    """
    sizes = [[parameter.numel() for parameter in group] for group in groups]
    gradient = torch.cat([torch.zeros_like(parameter).reshape(-1) for group in groups for parameter in group])
    flat: list[nn.Parameter] = []
    for group, part, numbers in zip(
        groups, gradient.split([sum(size) for size in sizes]), sizes, strict=True
    ):
        flat.append(nn.Parameter(torch.cat([parameter.detach().reshape(-1) for parameter in group])))
        flat[-1].grad = part
        views = zip(group, flat[-1].detach().split(numbers), part.split(numbers), strict=True)
        for parameter, value, own_gradient in views:
            parameter.data = value.view_as(parameter)
            parameter.grad = own_gradient.view_as(parameter)
    return flat, gradient


def _shorten(gradient: np.ndarray, limit: float) -> None:
    """Bring the norm of a gradient down to `limit`, in place."""
    norm = math.sqrt(gradient @ gradient)
    if norm > limit:
        gradient *= np.float32(limit / norm)
