"""Two networks of action values, computed together."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.config import NetworkSettings
from trainers.networks.body import Body
from trainers.networks.goals import HyperLayer, Spans, TwinHyperLayer, goal_size, goals_in, with_goals
from trainers.networks.layers import ACTIVATIONS, VALUE_GAIN, head_layer, hidden_layer
from trainers.networks.memory import Memory, Sequences

RUNNING_WEIGHT = 0.01
"""Weight of a batch in the running moments of batch normalisation, as in CrossQ."""


class TwinLinear(nn.Module):
    """A linear layer of each of two networks, as one batched product.

    Args:
        layers: the two layers, whose initial weights are taken over.
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().t() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach()[None] for layer in layers]))

    def forward(self, features: Tensor) -> Tensor:
        """Return (2, n, outputs), from (2, n, inputs)."""
        return torch.baddbmm(self.bias, features, self.weight)


class TwinNorm(nn.Module):
    """Layer normalisation in each of two networks (extension key `layer_norm`).

    Args:
        size: length of the features.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 1, size))
        self.bias = nn.Parameter(torch.zeros(2, 1, size))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape, (2, n, size)."""
        return functional.layer_norm(features, features.shape[-1:]) * self.weight + self.bias


class TwinBatchNorm(nn.Module):
    """Batch normalisation in each of two networks, by the batch's moments in training and by running ones otherwise.

    Source: Ioffe and Szegedy 2015, "Batch Normalization".

    Args:
        size: length of the features.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2 * size))
        self.bias = nn.Parameter(torch.zeros(2 * size))
        self.register_buffer("mean", torch.zeros(2 * size))
        self.register_buffer("variance", torch.ones(2 * size))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape, (2, n, size)."""
        both = features.transpose(0, 1).reshape(features.shape[1], -1)
        both = functional.batch_norm(
            both, self.mean, self.variance, self.weight, self.bias, self.training, RUNNING_WEIGHT
        )
        return both.view(features.shape[1], 2, -1).transpose(0, 1).contiguous()


class TwinCritic(nn.Module):
    """Two networks with their own encoders and weights, which give the values of observations and actions.

    A continuous action is an input, beside what the encoders give. Of discrete actions, every choice has a value. With
    memory, each network has an LSTM between its encoder and the action, so that it remembers observations only and the
    values of any action can follow.

    Args:
        make_encoder: makes a body without hidden layers.
        action_size: number of continuous actions.
        outputs: number of values of each network.
        settings: ML-Agents' `network_settings`.
        make_memory: makes a memory over features of a length; it returns None for networks without memory.
        goals: see `Body`.
        batch_norm: whether batch normalisation comes before each layer (extension key `critic_batch_norm`).
    """

    def __init__(
        self,
        make_encoder: Callable[[], Body],
        action_size: int,
        outputs: int,
        settings: NetworkSettings,
        make_memory: Callable[[int], Memory | None],
        goals: Spans = (),
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        encoders = [make_encoder(), make_encoder()]
        self.encoders = nn.ModuleList(encoders)
        self._alike = not list(self.encoders.parameters())
        memories = [make_memory(encoder.output_size) for encoder in encoders]
        self.memories = nn.ModuleList(memory for memory in memories if memory is not None)
        self.goals, size = tuple(goals), encoders[0].output_size
        if memories[0] is not None:  # the goals follow what is remembered
            remembered = memories[0].output_size
            size = remembered + goal_size(goals)
            goals = [(remembered, size)] if goals else ()
        sizes = [size + action_size] + [settings.critic_units] * settings.num_layers
        layers: list[nn.Module] = []
        for index, (inputs, width) in enumerate(itertools.pairwise(sizes)):
            layers += [TwinBatchNorm(inputs)] if batch_norm else []
            if goals and index == settings.num_layers - 1:
                pair = [HyperLayer(goal_size(goals), inputs, width, settings) for _ in range(2)]
                layers.append(TwinHyperLayer(pair))
            else:
                layers.append(TwinLinear([hidden_layer(inputs, width, settings) for _ in range(2)]))
            if settings.layer_norm:
                layers.append(TwinNorm(width))
            layers.append(ACTIVATIONS[settings.activation]())
        layers += [TwinBatchNorm(sizes[-1])] if batch_norm else []
        heads = [head_layer(sizes[-1], outputs, settings, VALUE_GAIN, 1.0) for _ in range(2)]
        layers.append(TwinLinear(heads))
        self.layers = with_goals(layers, goals)

    @property
    def value_layer(self) -> nn.Module:
        """The last layer."""
        *_, last = (module for module in self.layers.modules() if isinstance(module, TwinLinear))
        return last

    def remember(self, inputs: Sequence[Tensor], sequences: Sequences) -> Tensor:
        """Return what both networks with memory see and remember, (2, n, size), for `forward`.

        Args:
            inputs: prepared inputs.
            sequences: the sequences that the rows form. Their first rows begin with the actor's memory.
        """
        both = []
        for encoder, memory in zip(self.encoders, self.memories, strict=True):
            seen = encoder(inputs)
            remembered = cast("Memory", memory).over(seen, sequences.memory, sequences)
            both.append(torch.cat([remembered, goals_in(seen, self.goals)], dim=1))
        return torch.stack(both)

    def forward(self, inputs: Sequence[Tensor] | Tensor, action: Tensor) -> Tensor:
        """Return the values of both networks, (2, n, outputs).

        Args:
            inputs: prepared inputs; for networks with memory, what `remember` returned.
            action: (n, action_size) continuous actions in [-1, 1].
        """
        if isinstance(inputs, Tensor):
            both = torch.cat([inputs, action.expand(2, -1, -1)], dim=2)
        elif self._alike:  # without encoders of their own, both networks have the same inputs
            seen: Tensor = self.encoders[0](inputs)
            both = torch.cat([seen, action], dim=1).expand(2, -1, -1)
        else:
            both = torch.stack([torch.cat([encoder(inputs), action], dim=1) for encoder in self.encoders])
        values: Tensor = self.layers(both)
        return values


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Compute no gradients of a network's parameters in this context; gradients still flow to its inputs."""
    parameters = list(network.parameters())
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
