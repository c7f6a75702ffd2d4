"""What a policy says about actions: a diagonal Gaussian, one categorical per branch, or both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

FORBIDDEN_LOGIT = -1e8
LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True)
class Actions:
    """A batch of actions: `continuous` (n, size) raw samples, `discrete` (n, branches) int64."""

    continuous: Tensor
    discrete: Tensor


class Distribution(Protocol):
    """What can be chosen from, for each of n observations."""

    def sample(self, generator: torch.Generator | None = None) -> Actions:
        """Draw one action per row."""

    def mode(self) -> Actions:
        """The most likely action per row."""

    def log_prob(self, actions: Actions) -> Tensor:
        """Log-probability of each part of actions, (n, parts)."""


@dataclass(frozen=True)
class ActionDistribution:
    """The joint distribution of a hybrid action; its parts are independent given the observation.

    Attributes:
        mean: (n, size) means of the continuous actions; size may be 0.
        log_std: (size,) log standard deviations, the same for all observations.
        log_probs: per branch, (n, choices) normalised log-probabilities.
    """

    mean: Tensor
    log_std: Tensor
    log_probs: tuple[Tensor, ...]

    def sample(self, generator: torch.Generator | None = None) -> Actions:
        """Draw one action per row."""
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        picks = [torch.multinomial(branch.exp(), 1, generator=generator) for branch in self.log_probs]
        return Actions(self.mean + noise * self.log_std.exp(), self._stack(picks))

    def mode(self) -> Actions:
        """The most likely action per row."""
        return Actions(self.mean, self._stack([branch.argmax(1, keepdim=True) for branch in self.log_probs]))

    def log_prob(self, actions: Actions) -> Tensor:
        """Log-probability of each part of actions, (n, size + branches), whose sum is that of the whole action.

        A part is a continuous dimension (log-density) or a branch.
        """
        scaled = (actions.continuous - self.mean) * (-self.log_std).exp()
        density = scaled.square().mul(-0.5) - (self.log_std + 0.5 * LOG_2PI)
        chosen = (
            branch.gather(1, actions.discrete[:, index : index + 1])
            for index, branch in enumerate(self.log_probs)
        )
        return torch.cat([density, *chosen], dim=1)

    def entropy(self) -> Tensor:
        """Entropy in nats, (n,), on ML-Agents' scale, so that its `beta` means the same here.

        Continuous dimensions are averaged, discrete branches are summed, and both are added.
        """
        total = self.mean.new_zeros(len(self.mean))
        if self.mean.shape[1]:
            total = total + self.log_std.mean() + 0.5 * (1.0 + LOG_2PI)
        for branch in self.log_probs:
            total = total - (branch.exp() * branch).sum(1)
        return total

    def divergence_from(self, old: "ActionDistribution") -> Tensor:
        """KL(old || this), nats, (n,): the sum over continuous dimensions and branches."""
        distance = (old.mean - self.mean).square() + (2.0 * old.log_std).exp()
        gaussian = self.log_std - old.log_std + 0.5 * distance * (-2.0 * self.log_std).exp() - 0.5
        total = gaussian.sum(1)
        for was, now in zip(old.log_probs, self.log_probs, strict=True):
            total = total + (was.exp() * (was - now)).sum(1)
        return total

    def detach(self) -> "ActionDistribution":
        """The same numbers, as constants that do not move with the weights."""
        branches = tuple(branch.detach() for branch in self.log_probs)
        return ActionDistribution(self.mean.detach(), self.log_std.detach().clone(), branches)

    def _stack(self, picks: Sequence[Tensor]) -> Tensor:
        if not picks:
            return torch.zeros((len(self.mean), 0), dtype=torch.int64, device=self.mean.device)
        return torch.cat(list(picks), dim=1)


def branch_log_probs(logits: Tensor, branches: Sequence[int], forbidden: Tensor | None) -> tuple[Tensor, ...]:
    """Split (n, sum of branches) logits into normalised log-probabilities per branch.

    Args:
        logits: (n, sum of branch sizes).
        branches: the branch sizes.
        forbidden: (n, sum of branch sizes) bool, True where an action must not be chosen (ML-Agents' polarity).

    Returns:
        One (n, choices) tensor per branch; forbidden actions have probability exactly 0.
    """
    if forbidden is not None:
        logits = logits.masked_fill(forbidden, FORBIDDEN_LOGIT)
    return tuple(part.log_softmax(1) for part in logits.split(list(branches), dim=1))
