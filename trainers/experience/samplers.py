"""Division of a batch into minibatches."""

import itertools
from dataclasses import replace
from typing import Protocol

import torch

from trainers.experience.batch import Batch


class Sampler(Protocol):
    """Puts a batch into a new order for each epoch."""

    def draw(self, batch: Batch, size: int, generator: torch.Generator) -> tuple[Batch, list[slice]]:
        """Return the batch in the order of this epoch, and the slice of each minibatch.

        Args:
            batch: n decisions.
            size: decisions per minibatch, at most n.
            generator: the source of randomness, on the batch's device.
        """


class RowSampler:
    """Shuffles single decisions. Those that do not fill a last minibatch are left out of the epoch."""

    def draw(self, batch: Batch, size: int, generator: torch.Generator) -> tuple[Batch, list[slice]]:
        """See `Sampler.draw`."""
        count = len(batch) // size * size
        order = torch.randperm(len(batch), generator=generator, device=generator.device)
        return batch[order[:count]], [slice(start, start + size) for start in range(0, count, size)]


class SequenceSampler:
    """Shuffles whole sequences. A minibatch has about `size` decisions, and every decision is in one."""

    def draw(self, batch: Batch, size: int, generator: torch.Generator) -> tuple[Batch, list[slice]]:
        """See `Sampler.draw`. A sequence must not be longer than `size`, so that no minibatch is empty."""
        sequences = batch.sequences
        assert sequences is not None
        order = torch.randperm(len(sequences), generator=generator, device=generator.device).cpu()
        starts = sequences.starts
        chosen = sequences[order]
        shift = torch.repeat_interleave(starts[order] - chosen.starts, chosen.lengths)
        rows = (torch.arange(len(batch)) + shift).to(batch.rows.device)
        shuffled = replace(batch, sequences=None)[rows]
        middles = chosen.starts + chosen.lengths.double() / 2.0
        count = len(batch) // size
        firsts = torch.searchsorted(middles, torch.arange(1, count).double() * len(batch) / count)
        edges = [0, *chosen.starts[firsts].tolist(), len(batch)]
        parts = [slice(*pair) for pair in itertools.pairwise(edges)]
        return replace(shuffled, sequences=chosen), parts
