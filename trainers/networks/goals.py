"""Hidden layers that depend on the goal of an agent (ML-Agents' `goal_conditioning_type: hyper`).

A goal is an observation of the type GOAL_SIGNAL. It is an input like all others. In addition, another network, the
hypernetwork, turns it into the weights of the last hidden layer, so that each goal has a layer of its own.
Source: Ha et al. 2017, "HyperNetworks", section 3; sizes and initial weights as in ML-Agents.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.config import NetworkSettings
from trainers.networks.layers import ACTIVATIONS, hidden_layer

Spans = Sequence[tuple[int, int]]
"""Where the goals stand among the features of all observations: the first column of each, and the one after its last.
"""


class HyperLayer(nn.Module):
    """A linear layer whose weights a network of two hidden layers makes from the goal: y = x W(goal) + b.

    Args:
        goal_size: length of the goal.
        inputs: number of inputs.
        outputs: number of outputs, and units in each hidden layer of the hypernetwork.
        settings: ML-Agents' `network_settings`.
    """

    def __init__(self, goal_size: int, inputs: int, outputs: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.shape = (inputs, outputs)
        activation = ACTIVATIONS[settings.activation]
        self.hidden = nn.Sequential(
            hidden_layer(goal_size, outputs, settings),
            activation(),
            hidden_layer(outputs, outputs, settings),
            activation(),
        )
        self.weights = nn.Linear(outputs, inputs * outputs)
        bound = 1.0 / math.sqrt(outputs * inputs)
        nn.init.uniform_(self.weights.weight, -bound, bound)
        nn.init.zeros_(self.weights.bias)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, features: Tensor, goal: Tensor) -> Tensor:
        """Return outputs, (n, outputs).

        Args:
            features: (n, inputs).
            goal: (n, goal_size).
        """
        hidden = functional.layer_norm(self.hidden(goal), (self.weights.in_features,))
        made = self.weights(hidden).view(-1, *self.shape)
        result: Tensor = (features.unsqueeze(1) @ made).view(-1, self.shape[1]) + self.bias
        return result


class TwinHyperLayer(nn.Module):
    """A `HyperLayer` in each of two networks.

    Args:
        layers: the two layers.
    """

    def __init__(self, layers: Sequence[HyperLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, features: Tensor, goal: Tensor) -> Tensor:
        """Return (2, n, outputs), from (2, n, inputs) and (2, n, goal_size)."""
        return torch.stack([layer(*pair) for layer, *pair in zip(self.layers, features, goal, strict=True)])


class GoalLayers(nn.Module):
    """Hidden layers of which one depends on the goal.

    Args:
        spans: where the goals stand among the features.
        before: the layers before that one.
        hyper: that layer.
        after: what follows it.
    """

    def __init__(self, spans: Spans, before: nn.Module, hyper: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.spans = tuple(spans)
        self.before, self.hyper, self.after = before, hyper, after

    def forward(self, features: Tensor) -> Tensor:
        """Return the features after all layers, (..., outputs), from (..., inputs)."""
        goal = goals_in(features, self.spans)
        result: Tensor = self.after(self.hyper(self.before(features), goal))
        return result


def goals_in(features: Tensor, spans: Spans) -> Tensor:
    """Return the goals among features, (..., goal size); (..., 0) without any."""
    goals = [features[..., start:stop] for start, stop in spans]
    return torch.cat(goals, dim=-1) if goals else features[..., :0]


def goal_size(spans: Spans) -> int:
    """Return the length of all goals together."""
    return sum(stop - start for start, stop in spans)


def with_goals(layers: Sequence[nn.Module], spans: Spans) -> nn.Module:
    """Return layers as one module, which gives the goal to the one of them that depends on it.

    Args:
        layers: at most one of them is a `HyperLayer` or a `TwinHyperLayer`.
        spans: where the goals stand among the features.
    """
    for index, layer in enumerate(layers):
        if isinstance(layer, HyperLayer | TwinHyperLayer):
            before, after = nn.Sequential(*layers[:index]), nn.Sequential(*layers[index + 1 :])
            return GoalLayers(spans, before, layer, after)
    return nn.Sequential(*layers)
