"""The action distribution of SAC: a Gaussian squashed by tanh, one categorical per branch, or both."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trainers.networks.distributions import LOG_2PI, ActionDistribution, Actions

LOG_2 = math.log(2.0)
EDGE = 1.0 - 1e-6
"""Actions are taken back to this range before the inverse of tanh, so that it is finite in float32."""


@dataclass(frozen=True)
class SquashedDistribution(ActionDistribution):
    """The joint distribution of continuous actions in (-1, 1) and of discrete actions.

    A continuous action is the tanh of a Gaussian sample. Entropies are those of the Gaussian before the tanh, as in
    ML-Agents.
    Source: Haarnoja et al. 2018, "Soft Actor-Critic", appendix C.

    Attributes:
        mean: (n, size) means before the tanh; size may be 0.
        log_std: (n, size) log standard deviations before the tanh.
        log_probs: one (n, choices) tensor of normalised log-probabilities per branch.
    """

    def at(self, rows: Tensor) -> "SquashedDistribution":
        """Return the distribution for some of the observations."""
        branches = tuple(branch[rows] for branch in self.log_probs)
        return SquashedDistribution(self.mean[rows], self.log_std[rows], branches)

    def sample(self, generator: torch.Generator | None = None, noise: Tensor | None = None) -> Actions:
        """See `ActionDistribution.sample`; continuous actions are squashed."""
        gaussian = super().sample(generator, noise)
        return Actions(gaussian.continuous.tanh(), gaussian.discrete)

    def mode(self) -> Actions:
        """See `ActionDistribution.mode`; the tanh of the mean is the median of the continuous actions."""
        gaussian = super().mode()
        return Actions(gaussian.continuous.tanh(), gaussian.discrete)

    def log_prob(self, actions: Actions) -> Tensor:
        """See `ActionDistribution.log_prob`."""
        before = actions.continuous.clamp(-EDGE, EDGE).atanh()
        parts = super().log_prob(Actions(before, actions.discrete))
        size = self.mean.shape[1]
        return torch.cat([parts[:, :size] - log_slope(before), parts[:, size:]], dim=1)

    def draw(self, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw continuous actions through which gradients reach the mean and the deviation.

        Returns:
            The squashed actions, (n, size), and the logarithm of the density of each, summed over dimensions, (n,).
        """
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        before = self.mean + noise * self.log_std.exp()
        density = noise.square().mul(-0.5) - (self.log_std + 0.5 * LOG_2PI) - log_slope(before)
        return before.tanh(), density.sum(1)


def log_slope(before: Tensor) -> Tensor:
    """Return log(1 - tanh(x)²), the logarithm of tanh's derivative, for x of any size; any shape."""
    return 2.0 * (LOG_2 - before - functional.softplus(-2.0 * before))
