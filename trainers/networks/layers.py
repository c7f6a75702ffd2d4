"""Layers with their initial weights, and activations."""

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
    """Return a linear layer of a body: He normal weights as in ML-Agents, or orthogonal ones with gain sqrt(2)."""
    layer = nn.Linear(inputs, outputs)
    initialise(layer, settings, gain=math.sqrt(2.0))
    return layer


def head_layer(
    inputs: int, outputs: int, settings: NetworkSettings, gain: float, orthogonal_gain: float
) -> nn.Linear:
    """Return a linear output layer.

    Args:
        inputs: number of inputs.
        outputs: number of outputs.
        settings: ML-Agents' `network_settings`.
        gain: factor on He normal weights, as in ML-Agents.
        orthogonal_gain: gain of orthogonal weights (extension key `orthogonal_init`).
    """
    layer = nn.Linear(inputs, outputs)
    if settings.orthogonal_init:
        initialise(layer, settings, orthogonal_gain)
    else:
        nn.init.kaiming_normal_(layer.weight)
        layer.weight.data.mul_(gain)
        nn.init.zeros_(layer.bias)
    return layer


def initialise(layer: nn.Linear | nn.Conv2d, settings: NetworkSettings, gain: float) -> None:
    """Initialise a layer: orthogonal (extension key `orthogonal_init`) or He normal weights, biases of 0.

    Sources: Saxe et al. 2014, "Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear Neural Networks";
    He et al. 2015, "Delving Deep into Rectifiers".

    Args:
        layer: changed in place.
        settings: ML-Agents' `network_settings`.
        gain: gain of orthogonal weights; He normal weights do not use it.
    """
    if settings.orthogonal_init:
        nn.init.orthogonal_(layer.weight, gain)
    else:
        nn.init.kaiming_normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
