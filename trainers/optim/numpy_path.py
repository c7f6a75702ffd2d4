"""Policies over vectors in numpy: chooses actions for few agents, and computes gradients of small networks.

A minibatch of 64 decisions through layers of 64 units takes tens of microseconds of arithmetic, and torch's overhead
takes several times that. `ActorCritic` and `maths.losses` are the reference. This module reads and writes the same
weights and gradients in place, and its tests compare both. A policy with memory acts here, and learns through autograd.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from trainers.maths import losses
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.distributions import FORBIDDEN_LOGIT, LOG_2PI
from trainers.networks.noise import Noise
from trainers.networks.normalizer import CLIP
from trainers.networks.policy_network import ActionSample, PolicyNetwork
from trainers.optim.numpy_layers import Array, Cell, Network

SMALL_NETWORK = 200_000
"""Number of parameters up to which one thread is as fast as several, and torch's overhead exceeds the arithmetic."""
SHORT_STEP = 50_000_000
"""Rows × parameters of a gradient step up to which the same holds."""


def is_small(parameters: int, rows: int) -> bool:
    """Whether gradient steps of a network on so many rows are fastest in one thread, and in numpy if they can be."""
    return parameters <= SMALL_NETWORK and parameters * rows <= SHORT_STEP


class NumpyPath:
    """Chooses actions of a policy, and computes the gradient of a loss with respect to its weights.

    Args:
        policy: a policy on the CPU whose gradients are allocated and whose observations are vectors.
    """

    def __init__(self, policy: ActorCritic) -> None:
        activation = policy.settings.activation
        self.branches = policy.action_spec.discrete_branches
        self.continuous = policy.action_spec.continuous_size
        heads = [head for head in (policy.mean_head, policy.logits_head) if head is not None]
        if policy.critic is policy.actor:
            self.networks = [Network(policy.actor, [*heads, policy.value_head], activation)]
        else:
            self.networks = [
                Network(policy.actor, heads, activation),
                Network(policy.critic, [policy.value_head], activation),
            ]
        self._cell = None if policy.actor_memory is None else Cell(policy.actor_memory)
        self._memory_size = policy.memory_size
        if self.continuous:
            self.log_std = policy.log_std.detach().numpy()
            gradient = policy.log_std.grad  # None where it follows a schedule
            self.log_std_gradient = None if gradient is None else gradient.numpy()
        self._columns, self._moments = policy.vector_columns, None
        if policy.normalizer is not None:
            self._moments = policy.normalizer.mean.numpy(), policy.normalizer.std.numpy()

    def choose(
        self,
        observations: Sequence[Array],
        forbidden: Array | None,
        deterministic: bool,
        generator: torch.Generator,
        memory: Array | None = None,
        follows: Noise | None = None,
    ) -> ActionSample:
        """See `PolicyNetwork.choose`. Branches are sampled with the Gumbel-max trick (`exported.sampled`)."""
        vectors = [observations[index] for index in self._columns]
        x = vectors[0] if len(vectors) == 1 else np.concatenate(vectors, axis=1)
        if self._moments is not None:
            mean, std = self._moments
            x = np.clip((x - mean) / std, -CLIP, CLIP)
        x = x.astype(np.float32, copy=False)
        features, after = self.networks[0].features(x), None
        if self._cell is not None:
            known = np.zeros((len(x), self._memory_size), np.float32) if memory is None else memory
            features, after = self._cell.forward(features, known)
        heads = [head.forward(features) for head in self.networks[0].heads]
        continuous = np.empty((len(x), 0), np.float32)
        discrete = np.empty((len(x), len(self.branches)), np.int64)
        log_prob: list[Array] = []
        drawn: Array | None = None
        if self.continuous:
            continuous = heads.pop(0)
            noise = np.zeros_like(continuous)
            if not deterministic:
                noise = torch.empty(continuous.shape).normal_(generator=generator).numpy()
                if follows is not None:
                    noise = drawn = follows.after(noise)
                continuous += noise * np.exp(self.log_std)
            log_prob.append(self._density(noise))
        if self.branches:
            for index, branch in enumerate(self._split(heads.pop(0), forbidden)):
                scores = branch
                if not deterministic:
                    exponential = torch.empty(branch.shape).exponential_(generator=generator).numpy()
                    scores = branch - np.log(exponential)
                discrete[:, index] = scores.argmax(1)
                log_prob.append(_chosen_log_prob(branch, discrete[:, index]))
        return ActionSample(continuous, discrete, np.concatenate(log_prob, axis=1), after, drawn)

    def forward(
        self, x: Array, forbidden: Array | None, continuous: Array, discrete: Array
    ) -> tuple[Array, Array]:
        """Return log-probabilities of actions, (n, parts), and values, (n, streams), and keep what `backward` needs.

        Args:
            x: (n, vector_size) normalised observations.
            forbidden: (n, sum of branch sizes) bool, True where an action is forbidden; None if none is.
            continuous: (n, size) raw actions.
            discrete: (n, branches) actions.
        """
        *heads, value = [output for network in self.networks for output in network.forward(x)]
        log_prob: list[Array] = []
        if self.continuous:
            self._scaled = (continuous - heads.pop(0)) * np.exp(-self.log_std)
            log_prob.append(self._density(self._scaled))
        if self.branches:
            self._discrete = discrete
            self._log_probs = self._split(heads.pop(0), forbidden)
            for index, branch in enumerate(self._log_probs):
                log_prob.append(_chosen_log_prob(branch, discrete[:, index]))
        return np.concatenate(log_prob, axis=1), value

    def entropy(self) -> float:
        """Return the mean entropy of the last `forward` in nats, on the scale of `ActionDistribution.entropy`."""
        total = sum(
            -float((np.exp(branch) * branch).sum()) / len(branch) for branch in self._branch_log_probs
        )
        if self.continuous:
            total += float(self.log_std.mean()) + 0.5 * (1.0 + LOG_2PI)
        return total

    def backward(self, log_prob_gradient: Array, value_gradient: Array, beta: float) -> None:
        """Set every gradient of the loss minus `beta` times the mean entropy.

        Args:
            log_prob_gradient: (n, parts) gradient of the loss with respect to the log-probabilities that `forward`
                returned; (n, 1) if it is the same for all parts.
            value_gradient: (n, streams) gradient of the loss with respect to the values.
            beta: weight of the entropy.
        """
        gradients: list[Array] = []
        log_prob_gradient = np.broadcast_to(
            log_prob_gradient, (len(value_gradient), self.continuous + len(self.branches))
        )
        if self.continuous:
            weighted = log_prob_gradient[:, : self.continuous] * self._scaled
            gradients.append(weighted * np.exp(-self.log_std))
            if self.log_std_gradient is not None:
                np.einsum("ij,ij->j", weighted, self._scaled, out=self.log_std_gradient)
                self.log_std_gradient -= log_prob_gradient[:, : self.continuous].sum(0)
                self.log_std_gradient -= beta / self.continuous
        if self.branches:
            parts = []
            for index, branch in enumerate(self._log_probs):
                probability = np.exp(branch)
                weight = log_prob_gradient[:, self.continuous + index]
                part = -weight[:, None] * probability
                part[np.arange(len(branch)), self._discrete[:, index]] += weight
                if beta:
                    entropy = -(probability * branch).sum(1, keepdims=True)
                    part += np.float32(beta / len(branch)) * probability * (branch + entropy)
                parts.append(part)
            gradients.append(np.concatenate(parts, axis=1))
        gradients.append(value_gradient)
        for network in self.networks:
            count = len(network.heads)
            network.backward(gradients[:count])
            gradients = gradients[count:]

    def _density(self, scaled: Array) -> Array:
        """Return the log-density of each dimension, (n, size), given distances from the mean in standard deviations."""
        return scaled * scaled * np.float32(-0.5) - (self.log_std + np.float32(0.5 * LOG_2PI))

    def _split(self, logits: Array, forbidden: Array | None) -> list[Array]:
        """Return the log-probabilities of each branch, (n, choices) each."""
        if forbidden is not None:
            logits[forbidden] = FORBIDDEN_LOGIT
        return [_log_softmax(part) for part in np.split(logits, np.cumsum(self.branches)[:-1], axis=1)]

    @property
    def _branch_log_probs(self) -> list[Array]:
        return self._log_probs if self.branches else []


GRADIENTS: dict[Callable[..., Tensor], Callable[..., tuple[float, Array]]] = {
    losses.clipped_policy_loss: losses.clipped_policy_gradient,
    losses.policy_gradient_loss: losses.policy_gradient_gradient,
    losses.value_loss: losses.value_gradient,
    losses.clipped_value_loss: losses.clipped_value_gradient,
}
"""The numpy gradient of each loss that has one. Autograd differentiates all others."""


@dataclass(frozen=True)
class Gradients:
    """The policy loss and the value loss in numpy. Each returns the loss and its gradient by the first argument."""

    policy: Callable[..., tuple[float, Array]]
    value: Callable[..., tuple[float, Array]]


def find_path(policy: PolicyNetwork) -> NumpyPath | None:
    """Return a network's numpy path, or None if it has none. The network's gradients must be allocated."""
    return NumpyPath(policy) if isinstance(policy, ActorCritic) and has_path(policy) else None


def has_path(policy: PolicyNetwork) -> bool:
    """Whether this module chooses actions of a network: an `ActorCritic` on the CPU that sees only vectors."""
    own = type(policy) is ActorCritic  # a subclass may compute something else
    vectors = not policy.image_columns and not policy.entity_columns and not policy.goal_columns
    return own and vectors and policy.device.type == "cpu"


def has_gradient(policy: PolicyNetwork) -> bool:
    """Whether this module computes gradients of a network too: one without memory."""
    return has_path(policy) and not policy.memory_size


def find_gradients(policy_loss: Callable[..., Tensor], value_loss: Callable[..., Tensor]) -> Gradients | None:
    """Return the numpy gradients of two losses, with the same keyword arguments; None unless both have one."""
    found = [
        partial(GRADIENTS[loss.func], **loss.keywords)
        for loss in (policy_loss, value_loss)
        if isinstance(loss, partial) and loss.func in GRADIENTS
    ]
    return Gradients(*found) if len(found) == 2 else None


def _chosen_log_prob(log_probs: Array, chosen: Array) -> Array:
    """Return the log-probability of one choice per row, (n, choices) to (n, 1)."""
    return np.take_along_axis(log_probs, chosen[:, None], axis=1)


def _log_softmax(logits: Array) -> Array:
    shifted: Array = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
