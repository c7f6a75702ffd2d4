"""Adam with learning rate schedules and a limit on the gradient norm."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from trainers.maths.schedules import LEARNING_RATE_FLOOR, decayed
from trainers.optim.adam import Adam
from trainers.optim.collective import Alone, Collective
from trainers.optim.crowding import Crowding

# The constants of `FlatAdam.adapt`.
ADAPTIVE_FACTOR = 1.5
ADAPTIVE_RANGE = (1e-6, 1e-2)


class StepSettings(Protocol):
    """The settings that the optimiser reads, which are keys of `hyperparameters`."""

    learning_rate_schedule: Any
    max_grad_norm: float | None
    adam_epsilon: float


class FlatAdam:
    """Adam over parameters that lie in one vector per group, with a learning rate schedule and gradient clipping.

    Source: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization".

    Args:
        groups: lists of parameters; those of a list share a learning rate.
        rates: the initial learning rate of each group; None if the optimiser does not move the group.
        hyper: `learning_rate_schedule`, `adam_epsilon`, `max_grad_norm` and, if it has it, `adam_beta1`.
        max_steps: agent steps over which a linear schedule falls.
        collective: the processes that train the same weights. Each step uses the mean of their gradients.

    Attributes:
        flat: the parameters of each group, as one vector per group.
        gradient: the gradients of all groups, as one vector.
        scale: factor on the learning rates, set by `adapt`.
        weight: this rank's weight in the mean gradient of all ranks, 1 / ranks unless it is set. The weights sum to 1.
        crowding: computes the gradients with fewer threads beside other programs; None keeps torch's threads.
    """

    crowding: Crowding | None = None

    def __init__(
        self,
        groups: Sequence[Sequence[nn.Parameter]],
        rates: Sequence[float | None],
        hyper: StepSettings,
        max_steps: int,
        collective: Collective | None = None,
    ) -> None:
        self.collective = collective or Alone()
        self.weight = 1.0 / self.collective.size
        self.max_steps = max_steps
        self.schedule, self.max_grad_norm = hyper.learning_rate_schedule, hyper.max_grad_norm
        self.scale = 1.0
        self.flat, self.gradient = flatten(groups)
        moved = [(flat, rate) for flat, rate in zip(self.flat, rates, strict=True) if rate is not None]
        self.initial_rates = tuple(rate for _, rate in moved)
        betas = getattr(hyper, "adam_beta1", 0.9), 0.999
        self.adam = Adam([flat for flat, _ in moved], self.initial_rates, betas, hyper.adam_epsilon)

    @property
    def learning_rate(self) -> float:
        """The present learning rate of the first group that has one."""
        return self.adam.rates[0]

    @property
    def is_finite(self) -> bool:
        """Whether every weight is finite."""
        # A weight that is not finite makes the sum not finite.
        total = torch.stack([flat.detach().sum() for flat in self.flat]).sum()
        return bool(torch.isfinite(total))

    def set_learning_rate(self, step: int) -> None:
        """Set the learning rates to those of agent step `step`."""
        self.adam.set_rates(
            [
                self.scale * decayed(initial, LEARNING_RATE_FLOOR, self.schedule, step, self.max_steps)
                for initial in self.initial_rates
            ]
        )

    def descend(self, loss: Tensor, groups: int | None = None) -> Tensor:
        """Take one step along the gradient of a scalar loss, and return the gradient's norm (see `step`)."""
        self.backward(loss)
        return torch.as_tensor(self.step(groups))

    def backward(self, loss: Tensor) -> None:
        """Set the gradients to those of a scalar loss."""
        self.gradient.zero_()
        if self.crowding is None:
            loss.backward()
        else:
            self.crowding.backward(loss)

    def step(self, groups: int | None = None) -> float | Tensor:
        """Take one step along the present gradients, scaled down to a norm of at most `max_grad_norm`.

        Args:
            groups: number of groups that move, from the first one on; None: all.

        Returns:
            The norm before it was scaled down; on a GPU as a tensor, so that nothing waits for it.
        """
        if self.collective.size > 1:
            self.gradient.mul_(self.weight)
            self.collective.sum(self.gradient)
        on_cpu = self.gradient.device.type == "cpu"
        norm = _norm(self.gradient.numpy()) if on_cpu else torch.linalg.vector_norm(self.gradient)
        limit = self.max_grad_norm
        if limit is not None:
            if isinstance(norm, Tensor):
                self.gradient.mul_((limit / (norm + 1e-6)).clamp(max=1.0))
            elif norm > limit:
                self.gradient.numpy()[:] *= np.float32(limit / norm)
        self.adam.step(groups)
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Return Adam's state and the scale of the learning rates."""
        return {"adam": self.adam.state_dict(), "scale": self.scale}

    def fits(self, state: dict[str, Any]) -> bool:
        """Whether a state has as many groups as this optimiser."""
        return len(state["adam"]["param_groups"]) == len(self.adam.groups)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        The learning rates are those of the state, and so is their scale if the schedule is adaptive. All other settings
        are this optimiser's own.

        Raises:
            ValueError: a moment has another shape, or a number is out of its range.
        """
        scale = state["scale"]
        if type(scale) not in (int, float) or not 0 < scale < math.inf:
            raise ValueError(f"a scale of the learning rates of {scale}")
        self.adam.load_state_dict(state["adam"])
        self.scale = float(scale) if self.schedule == "adaptive" else 1.0

    def adapt(self, kl: float, target_kl: float) -> None:
        """Adapt the learning rates so that an epoch changes the policy by a KL divergence of about `target_kl`.

        The rates are divided by 1.5 if the divergence exceeds 2 target_kl, and multiplied by 1.5 if it is below
        target_kl / 2. The rate of the first group stays between 1e-6 and 1e-2.
        Source: Rudin et al. 2022, "Learning to Walk in Minutes Using Massively Parallel Deep Reinforcement Learning".

        Args:
            kl: KL divergence of the last epoch, in nats.
            target_kl: in nats.
        """
        if kl > 2.0 * target_kl:
            self.scale /= ADAPTIVE_FACTOR
        elif kl < 0.5 * target_kl:
            self.scale *= ADAPTIVE_FACTOR
        low, high = (limit / self.initial_rates[0] for limit in ADAPTIVE_RANGE)
        self.scale = min(max(self.scale, low), high)
        self.adam.set_rates([initial * self.scale for initial in self.initial_rates])


def flatten(groups: Sequence[Sequence[nn.Parameter]]) -> tuple[list[nn.Parameter], Tensor]:
    """Put the parameters of each group into one vector, so that an optimiser step is one operation per group.

    The parameters become views of their group's vector. Their gradients become views of one vector for all groups.

    Returns:
        The vector of each group, and the vector of all gradients.
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


def _norm(gradient: np.ndarray) -> float:
    """The Euclidean norm; it takes a third of the time of `np.linalg.norm` on a small network."""
    return math.sqrt(gradient @ gradient)
