"""The memory of a network: an LSTM between the hidden layers and the heads, and rows as sequences in time."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.backends import cudnn
from torch.nn.utils.rnn import PackedSequence

from trainers.config import NetworkSettings

PADDED = 4
"""Most rows of sequences that are padded to one length, for each row of their own."""

FORGET_BIAS = 1.0
"""Initial value of the forget gate's part of both bias vectors, as in ML-Agents; they act as 2 together."""


@dataclass(frozen=True)
class Sequences:
    """The division of n rows into s sequences.

    The rows of a sequence stand together, in the order in which one agent decided. There is no padding.

    Attributes:
        lengths: (s,) int64 number of rows of each sequence, on the CPU.
        memory: (s, memory_size) the actor's memory at the first row of each sequence.
        critic_memory: (s, memories, memory_size) the same of the critic, which may have several memories; (s, 0,
            memory_size) if it shares the actor's.
        second_derivatives: whether gradients of gradients are needed, which takes longer.
    """

    lengths: Tensor
    memory: Tensor
    critic_memory: Tensor
    second_derivatives: bool = False

    @classmethod
    def new(cls, rows: int, length: int, memory: Tensor, critic_memories: int) -> "Sequences":
        """Divide rows into sequences of one length, and a shorter last one, all of which begin with the same memory.

        Args:
            rows: number of rows.
            length: rows of a sequence.
            memory: (memory_size,).
            critic_memories: number of memories of the critic.
        """
        lengths = torch.tensor([len(part) for part in torch.arange(rows).split(length)])
        start = memory.expand(len(lengths), -1)
        return cls(lengths, start, start[:, None].expand(-1, critic_memories, -1))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def starts(self) -> Tensor:
        """(s,) the first row of each sequence, on the CPU."""
        return self.lengths.cumsum(0) - self.lengths

    def __getitem__(self, chosen: Tensor | slice) -> "Sequences":
        return replace(
            self,
            lengths=self.lengths[chosen],
            memory=self.memory[chosen],
            critic_memory=self.critic_memory[chosen],
        )

    def within(self, rows: Tensor | slice) -> "Sequences":
        """Return the sequences of a slice of rows, which must be whole sequences."""
        assert isinstance(rows, slice)
        starts = self.starts
        first, last = (int(torch.searchsorted(starts, edge)) for edge in (rows.start, rows.stop))
        return self[first:last]


class Memory(nn.Module):
    """A long short-term memory. It maps features, and what an agent remembers, to features and what it then remembers.

    What an agent remembers is one vector: the LSTM's hidden state, then its cell state.
    Source: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory". The initial weights are those of ML-Agents: each
    gate's matrices are Xavier uniform, or orthogonal with the extension key `orthogonal_init`. On a GPU it does without
    cuDNN, which wants the weights in a block of their own and has no second derivatives.

    Args:
        inputs: length of the features that it takes.
        memory_size: length of the vector that an agent remembers (ML-Agents key `memory_size`).
        settings: ML-Agents' `network_settings`.

    Attributes:
        output_size: length of the features that it returns, half of `memory_size`.
    """

    def __init__(self, inputs: int, memory_size: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.output_size = size = memory_size // 2
        self.lstm = nn.LSTM(inputs, size)
        layer: Any = self.lstm  # mypy takes its weights for modules
        for weight in (layer.weight_ih_l0, layer.weight_hh_l0):
            for gate in weight.data.split(size):
                (nn.init.orthogonal_ if settings.orthogonal_init else nn.init.xavier_uniform_)(gate)
        for bias in (layer.bias_ih_l0, layer.bias_hh_l0):
            bias.data.zero_()
            bias.data[size : 2 * size] = FORGET_BIAS  # the order of the gates is input, forget, cell, output

    def forward(
        self, features: Tensor, memory: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return features, (n, output_size), and the memories after the last row of each sequence, (s, memory_size).

        Args:
            features: (n, inputs).
            memory: (s, memory_size) the memories at the first row of each sequence.
            lengths: (s,) int64 number of rows of each sequence, on the CPU; None for sequences of one row.
        """
        with cudnn.flags(enabled=False) if features.is_cuda else nullcontext():
            return self._after(features, memory, lengths)

    def over(self, features: Tensor, memory: Tensor, sequences: Sequences) -> Tensor:
        """Return the features of the rows of sequences, (n, output_size), to be learned from.

        Sequences are padded to one length, because PyTorch's LSTM is then several times as fast on a CPU.

        Args:
            features: (n, inputs).
            memory: (s, memory_size) the memories at the first row of each sequence.
            sequences: the sequences that the rows form.
        """
        if sequences.second_derivatives or features.is_cuda:
            result: Tensor = self(features, memory, sequences.lengths)[0]
            return result
        found, rows = [], []
        for part in _of_similar_lengths(sequences.lengths):
            lengths = sequences.lengths[part]
            is_row = torch.arange(int(lengths.max()))[:, None] < lengths
            own = (sequences.starts[part] + torch.arange(len(is_row))[:, None])[is_row]
            places = is_row.view(-1).nonzero()[:, 0]
            padded = features.new_zeros(is_row.numel(), features.shape[1])
            padded = padded.index_copy(0, places, features.index_select(0, own))
            seen, _ = self.lstm(padded.view(*is_row.shape, -1), self._state(memory[part]))
            found.append(seen.view(len(padded), -1).index_select(0, places))
            rows.append(own)
        return torch.cat(found).index_select(0, torch.cat(rows).argsort())

    def from_nothing(self, features: Tensor) -> Tensor:
        """Return the features of n agents whose episodes begin, (n, output_size)."""
        nothing = features.new_zeros(len(features), 2 * self.output_size)
        result: Tensor = self(features, nothing)[0]
        return result

    def _after(self, features: Tensor, memory: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        size, state = self.output_size, self._state(memory)
        if lengths is None:
            found, (hidden, cell) = self.lstm(features[None], state)
            seen = found.view(-1, size)
        else:
            order, batch_sizes, by_length = _by_time(lengths)
            order, by_length = order.to(features.device), by_length.to(features.device)
            packed = PackedSequence(features[order], batch_sizes, by_length, by_length.argsort())
            by_time, (hidden, cell) = self.lstm(packed, state)
            seen = by_time.data[order.argsort()]
        return seen, torch.cat([hidden.view(-1, size), cell.view(-1, size)], dim=1)

    def _state(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        size = self.output_size
        return memory[None, :, :size].contiguous(), memory[None, :, size:].contiguous()


def _of_similar_lengths(lengths: Tensor) -> Iterator[Tensor]:
    """Yield groups of the numbers of sequences. Padded to one length, a group has at most `PADDED` times its rows.

    Args:
        lengths: (s,) number of rows of each sequence.
    """
    rest = torch.arange(len(lengths))
    while len(rest):
        own = lengths[rest]
        longest = int(own.max())
        if longest * len(rest) <= PADDED * int(own.sum()):
            yield rest
            return
        is_long = PADDED * own > longest
        yield rest[is_long]
        rest = rest[~is_long]


def _by_time(lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows of sequences by time, and at each time the longest sequences first.

    Args:
        lengths: (s,) number of rows of each sequence.

    Returns:
        The rows, (n,), the number of rows at each time, (longest,), and the sequences from the longest on, (s,).
    """
    by_length = lengths.argsort(descending=True, stable=True)
    time = torch.arange(int(lengths.max()))[:, None]
    going_on = time < lengths[by_length]
    rows = (lengths.cumsum(0) - lengths)[by_length] + time
    return rows[going_on], going_on.sum(1), by_length
