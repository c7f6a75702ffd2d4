"""An encoder of observations of variable length: entities in any number and any order."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainers.config import NetworkSettings
from trainers.networks.layers import ACTIVATIONS, hidden_layer

EMBEDDING_SIZE = 128
"""Length of each entity's embedding and of the result, as in ML-Agents."""

HEADS = 4
"""Number of attention heads, as in ML-Agents."""
MASKED = -1e9
"""Added to the attention scores of padding rows, so that their weights are 0 after the softmax."""


class EntityEncoder(nn.Module):
    """Encodes the entities that an agent observes (Unity's BufferSensor) as one feature vector.

    Each row is one entity. It is embedded together with the agent's own features. The rows then attend to each other,
    and the result is their mean. Rows of zeros are padding and have no influence. So the result depends neither on the
    order of the rows nor on the length of the padding. It is zero without any entity.
    Source: Baker et al. 2019, "Emergent Tool Use From Multi-Agent Autocurricula", appendix B.

    Args:
        row_sizes: numbers per entity, for each observation of this kind.
        own_size: length of the agent's own features; 0 without any.
        settings: ML-Agents' `network_settings`.
    """

    def __init__(self, row_sizes: Sequence[int], own_size: int, settings: NetworkSettings) -> None:
        super().__init__()
        size = EMBEDDING_SIZE
        self.row_layers = nn.ModuleList(hidden_layer(row_size, size, settings) for row_size in row_sizes)
        self.own_layer = hidden_layer(own_size, size, settings) if own_size else None
        self.embed = nn.Sequential(ACTIVATIONS[settings.activation](), nn.LayerNorm(size))
        self.attention = SelfAttention(size)
        self.norm = nn.LayerNorm(size)

    def forward(self, own: Tensor | None, observations: Sequence[Tensor]) -> Tensor:
        """Return features, (n, EMBEDDING_SIZE).

        Args:
            own: (n, own_size) the agent's own features; None without any.
            observations: one (n, rows, row size) tensor per observation.
        """
        # The sum of a layer over the row and a layer over the agent equals one layer over both concatenated.
        rows = torch.cat(
            [layer(rows) for layer, rows in zip(self.row_layers, observations, strict=True)], dim=1
        )
        if own is not None and self.own_layer is not None:
            rows = rows + self.own_layer(own).unsqueeze(1)
        present = torch.cat([(rows.abs().sum(2) > 0).float() for rows in observations], dim=1)
        embedded = self.embed(rows)
        result = self.norm(embedded + self.attention(embedded, present)) * present.unsqueeze(2)
        mean: Tensor = result.sum(1) / present.sum(1, keepdim=True).clamp(min=1.0)
        return mean


class SelfAttention(nn.Module):
    """Multi-head self-attention over all rows that are present.

    It is written out because Unity runs only part of the ONNX operators that PyTorch's own layer is exported to.
    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.query, self.key, self.value, self.output = (nn.Linear(size, size) for _ in range(4))

    def forward(self, rows: Tensor, present: Tensor) -> Tensor:
        """Return rows of the same shape, (n, rows, size).

        Args:
            rows: (n, rows, size).
            present: (n, rows) float, 1 for an entity and 0 for padding.
        """
        width = self.size // HEADS
        query, key, value = (
            torch.stack(layer(rows).split(width, 2), 1) for layer in (self.query, self.key, self.value)
        )
        padding = ((1.0 - present) * MASKED).unsqueeze(1).unsqueeze(1)
        weights = (query @ key.transpose(2, 3) / math.sqrt(width) + padding).softmax(3)
        result: Tensor = self.output(torch.cat((weights @ value).unbind(1), 2))
        return result
