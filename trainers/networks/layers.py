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


VALUE_GAIN = math.sqrt(2.0)
"""Gain of the output layer of values. It has the deviation of Xavier's weights for one output, as in ML-Agents."""


def hidden_layer(
    inputs: int, outputs: int, settings: NetworkSettings, after_images: bool = False
) -> nn.Linear:
    """Return a linear layer of a body: He normal weights as in ML-Agents, or orthogonal ones with gain sqrt(2).

    Args:
        inputs: number of inputs.
        outputs: number of outputs.
        settings: ML-Agents' `network_settings`.
        after_images: whether its inputs are those of a convolution or of pixels, for which ML-Agents has ReLU's gain.
    """
    layer = nn.Linear(inputs, outputs)
    initialise(layer, settings, math.sqrt(2.0), for_relu=after_images)
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
    initialise(layer, settings, orthogonal_gain)
    if not settings.orthogonal_init:
        layer.weight.data.mul_(gain)
    return layer


def initialise(
    layer: nn.Linear | nn.Conv2d, settings: NetworkSettings, orthogonal_gain: float, for_relu: bool = False
) -> None:
    """Initialise a layer: He normal weights, or orthogonal ones (extension key `orthogonal_init`); biases of 0.

    The deviation of He normal weights is 1 / sqrt(inputs) as in ML-Agents, or sqrt(2) times that, ReLU's gain.
    Sources: Saxe et al. 2014, "Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear Neural Networks";
    He et al. 2015, "Delving Deep into Rectifiers".

    Args:
        layer: changed in place.
        settings: ML-Agents' `network_settings`.
        orthogonal_gain: gain of orthogonal weights.
        for_relu: whether He normal weights have ReLU's gain; with the extension key `he_init` they always have it.
    """
    if settings.orthogonal_init:
        nn.init.orthogonal_(layer.weight, orthogonal_gain)
    else:
        nn.init.kaiming_normal_(
            layer.weight, nonlinearity="relu" if for_relu or settings.he_init else "linear"
        )
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
