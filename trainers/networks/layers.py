"""The layers that networks are made of, with their initial weights."""

import math
from collections.abc import Callable

from torch import nn

from trainers.config import NetworkSettings

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "swish": nn.SiLU,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "elu": nn.ELU,
}


def hidden_layer(inputs: int, outputs: int, settings: NetworkSettings) -> nn.Linear:
    """A linear layer for the body: He normal as in ML-Agents, or orthogonal with gain sqrt(2)."""
    layer = nn.Linear(inputs, outputs)
    initialise(layer, settings, gain=math.sqrt(2.0))
    return layer


def head_layer(
    inputs: int, outputs: int, settings: NetworkSettings, gain: float, orthogonal_gain: float
) -> nn.Linear:
    """An output layer: He normal times `gain`, as ML-Agents scales it, or orthogonal with `orthogonal_gain`."""
    layer = nn.Linear(inputs, outputs)
    if settings.orthogonal_init:
        initialise(layer, settings, orthogonal_gain)
    else:
        nn.init.kaiming_normal_(layer.weight)
        layer.weight.data.mul_(gain)
        nn.init.zeros_(layer.bias)
    return layer


def initialise(layer: nn.Linear | nn.Conv2d, settings: NetworkSettings, gain: float) -> None:
    """Orthogonal weights with this gain where the settings say so, else He normal; biases are 0."""
    if settings.orthogonal_init:
        nn.init.orthogonal_(layer.weight, gain)
    else:
        nn.init.kaiming_normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
