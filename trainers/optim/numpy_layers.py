"""Layers of torch in numpy: forward and backward passes on the very memory of their weights."""

from collections.abc import Callable, Sequence
from itertools import zip_longest

import numpy as np
from torch import Tensor, nn

from trainers.networks.body import Body
from trainers.networks.memory import Memory

Array = np.ndarray
Activation = tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]


def _elu(x: Array) -> Array:
    y = np.minimum(x, 0.0)
    np.exp(y, out=y)  # several times as fast as expm1
    y -= 1.0
    return np.maximum(x, y, out=y)


def _sigmoid(x: Array) -> Array:
    return np.tanh(x * np.float32(0.5)) * np.float32(0.5) + np.float32(0.5)


def _swish_derivative(x: Array, y: Array) -> Array:
    sigmoid = _sigmoid(x)
    return sigmoid + y * (1.0 - sigmoid)


LARGE_WEIGHT = 2**15
"""Size of a weight from which the order of a product decides how fast few rows are."""

ACTIVATIONS: dict[str, Activation] = {
    "tanh": (np.tanh, lambda _, y: 1.0 - y * y),
    "relu": (lambda x: np.maximum(x, 0.0), lambda _, y: (y > 0.0).astype(np.float32)),
    "elu": (_elu, lambda _, y: np.minimum(y, 0.0) + 1.0),
    "swish": (lambda x: x * _sigmoid(x), _swish_derivative),
}
"""For each activation, the function y = f(x), and its derivative f'(x) as a function of x and y."""


class Dense:
    """A linear layer of torch, through numpy views of its weights and gradients."""

    def __init__(self, layer: nn.Module) -> None:
        assert isinstance(layer, nn.Linear)
        self.weight, self.weight_gradient = _views(layer.weight)
        self.bias, self.bias_gradient = _views(layer.bias)

    def forward(self, x: Array) -> Array:
        """Return outputs, (n, inputs) to (n, outputs)."""
        return x @ self.weight.T + self.bias

    def of_few(self, x: Array) -> Array:
        """Return outputs of some dozens of rows at most, (n, inputs) to (n, outputs).

        BLAS takes up to four times as long for them if a large weight is the second factor of the product.
        """
        if self.weight.size < LARGE_WEIGHT:
            return self.forward(x)
        return (self.weight @ x.T).T + self.bias

    def backward(self, x: Array, gradient: Array) -> None:
        """Set the gradients of weight and bias.

        Args:
            x: (n, inputs) the layer's input.
            gradient: (n, outputs) gradient of the loss with respect to the layer's output.
        """
        np.matmul(gradient.T, x, out=self.weight_gradient)
        gradient.sum(0, out=self.bias_gradient)


class Norm:
    """A layer normalisation of torch, through numpy views of its weights and gradients.

    Source: Ba et al. 2016, "Layer Normalization", equation 4.
    """

    def __init__(self, layer: nn.LayerNorm) -> None:
        self.weight, self.weight_gradient = _views(layer.weight)
        self.bias, self.bias_gradient = _views(layer.bias)
        self.epsilon = np.float32(layer.eps)
        self.mean_weights = np.full(len(self.weight), 1.0 / len(self.weight), np.float32)

    def forward(self, x: Array) -> Array:
        """Return outputs of the same shape, (n, units), and keep what `backward` needs."""
        centred = x - (x @ self.mean_weights)[:, None]
        variance = (centred * centred) @ self.mean_weights
        self._inverse = 1.0 / np.sqrt(variance + self.epsilon)[:, None]
        self._normal = centred * self._inverse
        return self._normal * self.weight + self.bias

    def backward(self, gradient: Array) -> Array:
        """Set the gradients of weight and bias.

        Args:
            gradient: (n, units) gradient of the loss with respect to the output.

        Returns:
            (n, units) gradient of the loss with respect to the input.
        """
        np.einsum("ij,ij->j", gradient, self._normal, out=self.weight_gradient)
        gradient.sum(0, out=self.bias_gradient)
        gradient = gradient * self.weight
        projection = ((gradient * self._normal) @ self.mean_weights)[:, None]
        return (
            gradient - (gradient @ self.mean_weights)[:, None] - self._normal * projection
        ) * self._inverse


class Network:
    """Hidden layers, with or without layer normalisation, and output heads.

    Args:
        body: the body whose hidden layers are used.
        heads: linear layers on top of the body.
        activation: name of the activation.
    """

    def __init__(self, body: Body, heads: Sequence[nn.Module], activation: str) -> None:
        assert isinstance(body.layers, nn.Sequential)
        layers = [Dense(layer) for layer in body.layers if isinstance(layer, nn.Linear)]
        norms = [Norm(layer) for layer in body.layers if isinstance(layer, nn.LayerNorm)]
        self.hidden = list(zip_longest(layers, norms))  # None where layers are not normalised
        self.heads = [Dense(head) for head in heads]
        self.activation, self.derivative = ACTIVATIONS[activation]
        self._kept: list[tuple[Array, Array]] = []

    def forward(self, x: Array) -> list[Array]:
        """Return the output of each head for inputs (n, inputs), and keep what `backward` needs."""
        self._kept = [(x, x)]
        for layer, norm in self.hidden:
            z = layer.forward(x)
            if norm is not None:
                z = norm.forward(z)
            x = self.activation(z)
            self._kept.append((z, x))
        return [head.forward(x) for head in self.heads]

    def features(self, x: Array) -> Array:
        """Return the output of the hidden layers for a few inputs (n, inputs), and keep nothing."""
        for layer, norm in self.hidden:
            z = layer.of_few(x)
            x = self.activation(z if norm is None else norm.forward(z))
        return x

    def backward(self, gradients: Sequence[Array]) -> None:
        """Set all gradients.

        Args:
            gradients: (n, outputs) gradient of the loss with respect to the output of each head.
        """
        z, x = self._kept.pop()
        for head, head_gradient in zip(self.heads, gradients, strict=True):
            head.backward(x, head_gradient)
        gradient = gradients[0] @ self.heads[0].weight
        for head, head_gradient in zip(self.heads[1:], gradients[1:], strict=True):
            gradient += head_gradient @ head.weight
        for layer, norm in reversed(self.hidden):
            gradient = gradient * self.derivative(z, x)
            if norm is not None:
                gradient = norm.backward(gradient)
            z, x = self._kept.pop()
            layer.backward(x, gradient)
            if self._kept:
                gradient = gradient @ layer.weight


class Cell:
    """One step of a `Memory` for each agent, through numpy views of its weights. It has no backward pass."""

    def __init__(self, memory: Memory) -> None:
        self._of_input, self._of_state, *biases = (
            weight.detach().numpy() for weight in memory.lstm.parameters()
        )
        self._biases = biases
        self._size = memory.output_size

    def forward(self, features: Array, memory: Array) -> tuple[Array, Array]:
        """See `Memory.forward`, for sequences of one row."""
        size = self._size
        gates = features @ self._of_input.T + memory[:, :size] @ self._of_state.T
        for bias in self._biases:
            gates += bias
        seen = _sigmoid(gates[:, : 2 * size])
        cell = seen[:, size:] * memory[:, size:] + seen[:, :size] * np.tanh(gates[:, 2 * size : 3 * size])
        hidden = _sigmoid(gates[:, 3 * size :]) * np.tanh(cell)
        return hidden, np.concatenate([hidden, cell], axis=1)


def _views(parameter: Tensor) -> tuple[Array, Array]:
    assert parameter.grad is not None
    return parameter.detach().numpy(), parameter.grad.numpy()
