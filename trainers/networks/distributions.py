"""Action distributions: a diagonal Gaussian, one categorical per branch, or both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

FORBIDDEN_LOGIT = -1e8
"""The logit of a forbidden action, whose probability then underflows to exactly 0."""
LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True)
class Actions:
    """A batch of n actions.

    Attributes:
        continuous: (n, size) raw samples, before clipping and scaling.
        discrete: (n, branches) int64.
    """

    continuous: Tensor
    discrete: Tensor

    def numbers(self, branches: Sequence[int]) -> Tensor:
        """Return them as numbers, (n, size + sum of branch sizes): the continuous ones, then one-hot branches."""
        chosen = [one_hot(column, size) for column, size in zip(self.discrete.T, branches, strict=True)]
        return torch.cat([self.continuous, *(column.float() for column in chosen)], dim=1)


@dataclass(frozen=True)
class ActionDistribution:
    """The joint distribution of continuous and discrete actions, which are independent given the observation.

    Attributes:
        mean: (n, size) means of the continuous actions; size may be 0.
        log_std: (size,) log standard deviations, the same for all observations; or (n, size).
        log_probs: one (n, choices) tensor of normalised log-probabilities per branch.
    """

    mean: Tensor
    log_std: Tensor
    log_probs: tuple[Tensor, ...]

    def sample(self, generator: torch.Generator | None = None, noise: Tensor | None = None) -> Actions:
        """Draw one action per observation.

        Args:
            generator: the source of randomness; None takes torch's global one.
            noise: (n, size) standard normal noise of the continuous actions; None draws it.
        """
        if noise is None:
            noise = torch.empty_like(self.mean).normal_(generator=generator)
        picks = [torch.multinomial(branch.exp(), 1, generator=generator) for branch in self.log_probs]
        return Actions(self.mean + noise * self.log_std.exp(), self._stack(picks))

    def mode(self) -> Actions:
        """Return the most likely action per observation."""
        return Actions(self.mean, self._stack([branch.argmax(1, keepdim=True) for branch in self.log_probs]))

    def log_prob(self, actions: Actions) -> Tensor:
        """Return the log-probability of each part of the actions, (n, size + branches).

        A part is a continuous dimension (log-density) or a discrete branch. Their sum is that of the whole action.
        """
        scaled = (actions.continuous - self.mean) * (-self.log_std).exp()
        density = scaled.square().mul(-0.5) - (self.log_std + 0.5 * LOG_2PI)
        chosen = (
            branch.gather(1, actions.discrete[:, index : index + 1])
            for index, branch in enumerate(self.log_probs)
        )
        return torch.cat([density, *chosen], dim=1)

    def entropy(self) -> Tensor:
        """Return the entropy in nats, (n,), on ML-Agents' scale, on which `beta` has the same meaning.

        Entropies of continuous dimensions are averaged, those of branches are summed, and the two results are added.
        """
        total = self.mean.new_zeros(len(self.mean))
        if self.mean.shape[1]:
            total = total + self.log_std.mean(-1) + 0.5 * (1.0 + LOG_2PI)
        for branch in self.log_probs:
            total = total - (branch.exp() * branch).sum(1)
        return total

    def divergence_from(self, old: "ActionDistribution") -> Tensor:
        """Return KL(old || this) in nats, (n,), summed over continuous dimensions and branches."""
        distance = (old.mean - self.mean).square() + (2.0 * old.log_std).exp()
        gaussian = self.log_std - old.log_std + 0.5 * distance * (-2.0 * self.log_std).exp() - 0.5
        total = gaussian.sum(1)
        for was, now in zip(old.log_probs, self.log_probs, strict=True):
            total = total + (was.exp() * (was - now)).sum(1)
        return total

    def detach(self) -> "ActionDistribution":
        """Return the same distribution without gradients. It does not change when the weights change."""
        branches = tuple(branch.detach() for branch in self.log_probs)
        return ActionDistribution(self.mean.detach(), self.log_std.detach().clone(), branches)

    def _stack(self, picks: Sequence[Tensor]) -> Tensor:
        if not picks:
            return torch.zeros((len(self.mean), 0), dtype=torch.int64, device=self.mean.device)
        return torch.cat(list(picks), dim=1)


def branch_log_probs(logits: Tensor, branches: Sequence[int], forbidden: Tensor | None) -> tuple[Tensor, ...]:
    """Split logits into the normalised log-probabilities of each branch.

    Args:
        logits: (n, sum of branch sizes).
        branches: the branch sizes.
        forbidden: (n, sum of branch sizes) bool, True where an action is forbidden, as in ML-Agents; None if none is.

    Returns:
        One (n, choices) tensor per branch. A forbidden action has probability 0.
    """
    if forbidden is not None:
        logits = logits.masked_fill(forbidden, FORBIDDEN_LOGIT)
    return tuple(part.log_softmax(1) for part in logits.split(list(branches), dim=1))
