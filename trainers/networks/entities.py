"""Observations of variable length: whatever stands around an agent, in any number and in no order."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainers.config import NetworkSettings
from trainers.networks.layers import ACTIVATIONS, hidden_layer

EMBEDDING_SIZE = 128
"""Of each entity and of all together, as in ML-Agents."""

HEADS = 4
MASKED = -1e9
"""Added to the attention score of a row that is padding, so that its softmax is 0."""


class EntityEncoder(nn.Module):
    """Entities seen by an agent (Unity's BufferSensor) to one feature vector.

    Each row is embedded together with the agent's own features; rows then attend to each other, and their mean is the
    result. Rows of zeros are padding: they neither attend nor count. So neither the order of the rows nor the length of
    the padding matters, and without any entity the result is zero.
    Source: Baker et al. 2019, "Emergent Tool Use From Multi-Agent Autocurricula", appendix B.

    Args:
        row_sizes: Numbers per entity, one for each observation of this kind.
        own_size: Length of the agent's own features; 0 without any.
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
        """Features (n, EMBEDDING_SIZE) of observations (n, rows, row size); `own` is (n, own_size)."""
        # A layer for the row and one for the agent, added, are one layer for both side by side.
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
    """Every row looks at every row that is present. Source: Vaswani et al. 2017, "Attention Is All You Need", 3.2.

    Written out, because Unity runs only part of what PyTorch's own layer becomes in ONNX.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.query, self.key, self.value, self.output = (nn.Linear(size, size) for _ in range(4))

    def forward(self, rows: Tensor, present: Tensor) -> Tensor:
        """Same shape in and out, (n, rows, size); `present` is (n, rows), 1 or 0."""
        width = self.size // HEADS
        query, key, value = (
            torch.stack(layer(rows).split(width, 2), 1) for layer in (self.query, self.key, self.value)
        )
        padding = ((1.0 - present) * MASKED).unsqueeze(1).unsqueeze(1)
        weights = (query @ key.transpose(2, 3) / math.sqrt(width) + padding).softmax(3)
        result: Tensor = self.output(torch.cat((weights @ value).unbind(1), 2))
        return result
