"""Division of a batch into minibatches."""

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
