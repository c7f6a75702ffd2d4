"""Fully connected policies written out in numpy: choosing actions for few agents, and gradients of small networks.

A minibatch of 64 decisions through layers of 64 units is some tens of microseconds of arithmetic, and torch spends
several times that on bookkeeping. `ActorCritic` and `maths.losses` stay the reference: this module reads and writes the
same weights and gradients, in place, and its tests compare the two.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainers.maths import losses
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.body import Body
from trainers.networks.distributions import FORBIDDEN_LOGIT, LOG_2PI
from trainers.networks.normalizer import CLIP
from trainers.networks.policy_network import ActionSample, PolicyNetwork

SMALL_NETWORK = 200_000
"""Parameters of a network up to which one thread is as fast as several, and bookkeeping costs more than arithmetic."""

Array = np.ndarray
Activation = tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]


def _sigmoid(x: Array) -> Array:
    return np.tanh(x * np.float32(0.5)) * np.float32(0.5) + np.float32(0.5)


def _swish_slope(x: Array, y: Array) -> Array:
    sigmoid = _sigmoid(x)
    return sigmoid + y * (1.0 - sigmoid)


ACTIVATIONS: dict[str, Activation] = {
    "tanh": (np.tanh, lambda _, y: 1.0 - y * y),
    "relu": (lambda x: np.maximum(x, 0.0), lambda _, y: (y > 0.0).astype(np.float32)),
    "elu": (
        lambda x: np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0))),
        lambda _, y: np.minimum(y, 0.0) + 1.0,
    ),
    "swish": (lambda x: x * _sigmoid(x), _swish_slope),
}
"""y = f(x), and f'(x) from x and y."""


class Dense:
    """A linear layer of torch, seen through numpy views of its weights and their gradients."""

    def __init__(self, layer: nn.Module) -> None:
        assert isinstance(layer, nn.Linear)
        self.weight, self.weight_gradient = _views(layer.weight)
        self.bias, self.bias_gradient = _views(layer.bias)

    def forward(self, x: Array) -> Array:
        """(n, inputs) to (n, outputs)."""
        return x @ self.weight.T + self.bias

    def backward(self, x: Array, slope: Array) -> None:
        """Set the gradients of weight and bias; `slope` (n, outputs) is that of the loss by this layer's output."""
        np.matmul(slope.T, x, out=self.weight_gradient)
        slope.sum(0, out=self.bias_gradient)


class Norm:
    """A layer normalisation of torch, seen as `Dense` sees a linear layer. Source: Ba et al. 2016, equation 4."""

    def __init__(self, layer: nn.LayerNorm) -> None:
        self.weight, self.weight_gradient = _views(layer.weight)
        self.bias, self.bias_gradient = _views(layer.bias)
        self.epsilon = np.float32(layer.eps)
        self.share = np.full(len(self.weight), 1.0 / len(self.weight), np.float32)

    def forward(self, x: Array) -> Array:
        """(n, units) to the same shape; remembers what `backward` needs."""
        centred = x - (x @ self.share)[:, None]
        variance = (centred * centred) @ self.share
        self._inverse = 1.0 / np.sqrt(variance + self.epsilon)[:, None]
        self._normal = centred * self._inverse
        return self._normal * self.weight + self.bias

    def backward(self, slope: Array) -> Array:
        """Set the gradients of weight and bias; from the slope by the output to that by the input, (n, units)."""
        np.einsum("ij,ij->j", slope, self._normal, out=self.weight_gradient)
        slope.sum(0, out=self.bias_gradient)
        slope = slope * self.weight
        along = ((slope * self._normal) @ self.share)[:, None]
        return (slope - (slope @ self.share)[:, None] - self._normal * along) * self._inverse


class Network:
    """Hidden layers, normalised or not, and the heads on top of them."""

    def __init__(self, body: Body, heads: Sequence[nn.Module], activation: str) -> None:
        layers = [Dense(layer) for layer in body.layers if isinstance(layer, nn.Linear)]
        norms = [Norm(layer) for layer in body.layers if isinstance(layer, nn.LayerNorm)]
        self.hidden = list(zip_longest(layers, norms))  # None where layers are not normalised
        self.heads = [Dense(head) for head in heads]
        self.activation, self.slope = ACTIVATIONS[activation]
        self._kept: list[tuple[Array, Array]] = []

    def forward(self, x: Array) -> list[Array]:
        """(n, inputs) to what each head says; remembers what `backward` needs."""
        self._kept = [(x, x)]
        for layer, norm in self.hidden:
            z = layer.forward(x)
            if norm is not None:
                z = norm.forward(z)
            x = self.activation(z)
            self._kept.append((z, x))
        return [head.forward(x) for head in self.heads]

    def backward(self, slopes: Sequence[Array]) -> None:
        """Set all gradients; `slopes` are those of the loss by the heads' outputs, each (n, outputs)."""
        z, x = self._kept.pop()
        for head, by_head in zip(self.heads, slopes, strict=True):
            head.backward(x, by_head)
        slope = slopes[0] @ self.heads[0].weight
        for head, by_head in zip(self.heads[1:], slopes[1:], strict=True):
            slope += by_head @ head.weight
        for layer, norm in reversed(self.hidden):
            slope = slope * self.slope(z, x)
            if norm is not None:
                slope = norm.backward(slope)
            z, x = self._kept.pop()
            layer.backward(x, slope)
            if self._kept:
                slope = slope @ layer.weight


class NumpyPath:
    """The actions of a policy, and the gradient of a loss by all its weights.

    Args:
        policy: on the CPU, with gradients allocated, that sees vectors only.
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
        if self.continuous:
            self.log_std = policy.log_std.detach().numpy()
            slope = policy.log_std.grad  # None where it follows a schedule
            self.log_std_gradient = None if slope is None else slope.numpy()
        self._columns, self._moments = policy.vector_columns, None
        if policy.normalizer is not None:
            self._moments = policy.normalizer.mean.numpy(), policy.normalizer.std.numpy()

    def choose(
        self,
        observations: Sequence[Array],
        forbidden: Array | None,
        deterministic: bool,
        generator: torch.Generator,
    ) -> ActionSample:
        """As `PolicyNetwork.choose`; branches are drawn by the largest of log-probability plus Gumbel noise."""
        vectors = [observations[index] for index in self._columns]
        x = (vectors[0] if len(vectors) == 1 else np.concatenate(vectors, axis=1)).astype(
            np.float32, copy=False
        )
        if self._moments is not None:
            mean, std = self._moments
            x = np.clip((x - mean) / std, -CLIP, CLIP)
        heads = self.networks[0].forward(x)
        continuous = np.empty((len(x), 0), np.float32)
        discrete = np.empty((len(x), len(self.branches)), np.int64)
        log_prob: list[Array] = []
        if self.continuous:
            continuous = heads.pop(0)
            noise = np.zeros_like(continuous)
            if not deterministic:
                noise = torch.empty(continuous.shape).normal_(generator=generator).numpy()
                continuous += noise * np.exp(self.log_std)
            log_prob.append(self._density(noise))
        if self.branches:
            for index, branch in enumerate(self._split(heads.pop(0), forbidden)):
                scores = branch
                if not deterministic:
                    waiting = torch.empty(branch.shape).exponential_(generator=generator).numpy()
                    scores = branch - np.log(waiting)
                discrete[:, index] = scores.argmax(1)
                log_prob.append(_of_chosen(branch, discrete[:, index]))
        return ActionSample(continuous, discrete, np.concatenate(log_prob, axis=1))

    def forward(
        self, x: Array, forbidden: Array | None, continuous: Array, discrete: Array
    ) -> tuple[Array, Array]:
        """Log-probabilities (n, parts) of actions, and values (n, streams).

        Args:
            x: (n, vector size) normalised observations.
            forbidden: (n, sum of branch sizes) bool, or None.
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
                log_prob.append(_of_chosen(branch, discrete[:, index]))
        return np.concatenate(log_prob, axis=1), value

    def entropy(self) -> float:
        """Mean entropy of the last `forward`, on the scale of `ActionDistribution.entropy`."""
        total = sum(
            -float((np.exp(branch) * branch).sum()) / len(branch) for branch in self._branch_log_probs
        )
        if self.continuous:
            total += float(self.log_std.mean()) + 0.5 * (1.0 + LOG_2PI)
        return total

    def backward(self, by_log_prob: Array, by_value: Array, beta: float) -> None:
        """Set every gradient.

        Args:
            by_log_prob: slope of the loss by the log-probabilities that `forward` gave, (n, parts), or (n, 1) where all
                parts have the same.
            by_value: (n, streams) slope of the loss by the values.
            beta: weight of the mean entropy, which the loss falls with.
        """
        slopes: list[Array] = []
        by_log_prob = np.broadcast_to(by_log_prob, (len(by_value), self.continuous + len(self.branches)))
        if self.continuous:
            weighted = by_log_prob[:, : self.continuous] * self._scaled
            slopes.append(weighted * np.exp(-self.log_std))
            if self.log_std_gradient is not None:
                np.einsum("ij,ij->j", weighted, self._scaled, out=self.log_std_gradient)
                self.log_std_gradient -= by_log_prob[:, : self.continuous].sum(0)
                self.log_std_gradient -= beta / self.continuous
        if self.branches:
            parts = []
            for index, branch in enumerate(self._log_probs):
                probability = np.exp(branch)
                weight = by_log_prob[:, self.continuous + index]
                part = -weight[:, None] * probability
                part[np.arange(len(branch)), self._discrete[:, index]] += weight
                if beta:
                    entropy = -(probability * branch).sum(1, keepdims=True)
                    part += np.float32(beta / len(branch)) * probability * (branch + entropy)
                parts.append(part)
            slopes.append(np.concatenate(parts, axis=1))
        slopes.append(by_value)
        for network in self.networks:
            count = len(network.heads)
            network.backward(slopes[:count])
            slopes = slopes[count:]

    def _density(self, scaled: Array) -> Array:
        """Log-density of each dimension, (n, size), from distances to the mean in standard deviations."""
        return scaled * scaled * np.float32(-0.5) - (self.log_std + np.float32(0.5 * LOG_2PI))

    def _split(self, logits: Array, forbidden: Array | None) -> list[Array]:
        """Log-probabilities per branch, (n, choices) each."""
        if forbidden is not None:
            logits[forbidden] = FORBIDDEN_LOGIT
        return [_log_softmax(part) for part in np.split(logits, np.cumsum(self.branches)[:-1], axis=1)]

    @property
    def _branch_log_probs(self) -> list[Array]:
        return self._log_probs if self.branches else []


PATHS: dict[type[PolicyNetwork], Callable[[Any], NumpyPath]] = {ActorCritic: NumpyPath}
"""The networks that are written out here."""

GRADIENTS: dict[Callable[..., Tensor], Callable[..., tuple[float, Array]]] = {
    losses.clipped_policy_loss: losses.clipped_policy_gradient,
    losses.policy_gradient_loss: losses.policy_gradient_gradient,
    losses.value_loss: losses.value_gradient,
    losses.clipped_value_loss: losses.clipped_value_gradient,
}
"""The losses whose gradients are written out, by the loss; any other loss takes autograd."""


@dataclass(frozen=True)
class Gradients:
    """A policy's and a critic's loss, each with its gradient by the first argument."""

    policy: Callable[..., tuple[float, Array]]
    value: Callable[..., tuple[float, Array]]


def find_path(policy: PolicyNetwork) -> NumpyPath | None:
    """The numpy path of a network whose gradients are allocated; None if it has none."""
    return PATHS[type(policy)](policy) if has_path(policy) else None


def has_path(policy: PolicyNetwork) -> bool:
    """Whether a network is one of those written out here: it sees vectors only, on the CPU."""
    vectors = not policy.image_columns and not policy.entity_columns
    return type(policy) in PATHS and vectors and policy.device.type == "cpu"


def find_gradients(policy_loss: partial[Tensor], value_loss: partial[Tensor]) -> Gradients | None:
    """The written-out gradients of two losses, with the same keywords; None if one of them has none."""
    found = [
        partial(GRADIENTS[loss.func], **loss.keywords)
        for loss in (policy_loss, value_loss)
        if loss.func in GRADIENTS
    ]
    return Gradients(*found) if len(found) == 2 else None


def _views(parameter: Tensor) -> tuple[Array, Array]:
    assert parameter.grad is not None
    return parameter.detach().numpy(), parameter.grad.numpy()


def _of_chosen(log_probs: Array, chosen: Array) -> Array:
    """The log-probability of one choice per row, (n, 1), from (n, choices)."""
    return np.take_along_axis(log_probs, chosen[:, None], axis=1)


def _log_softmax(logits: Array) -> Array:
    shifted: Array = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
