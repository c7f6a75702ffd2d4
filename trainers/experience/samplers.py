"""How a batch is cut into minibatches."""

from typing import Protocol

import torch

from trainers.experience.batch import Batch


class Sampler(Protocol):
    """Orders a batch anew for each pass over it."""

    def draw(self, batch: Batch, size: int, generator: torch.Generator) -> tuple[Batch, list[slice]]:
        """The batch in the order of this pass, and where in it each minibatch lies.

        Args:
            batch: n decisions.
            size: decisions in a minibatch, at most n.
            generator: on the batch's device.
        """


class RowSampler:
    """Single decisions in random order; what is left over after the last whole minibatch is left out of this pass."""

    def draw(self, batch: Batch, size: int, generator: torch.Generator) -> tuple[Batch, list[slice]]:
        """See `Sampler.draw`."""
        count = len(batch) // size * size
        order = torch.randperm(len(batch), generator=generator, device=generator.device)
        return batch[order[:count]], [slice(start, start + size) for start in range(0, count, size)]
