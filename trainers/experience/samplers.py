"""Division of a batch into minibatches."""

import itertools
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from trainers.experience.batch import Batch
from trainers.experience.task import Task
from trainers.optim.collective import JointError


class Sampler(Protocol):
    """Puts a batch into a new order for each epoch."""

    def draw(self, batch: Batch, size: int, generator: torch.Generator) -> tuple[Batch, list[slice]]:
        """Return the batch in the order of this epoch, and the slice of each minibatch.

        Args:
            batch: n decisions.
            size: decisions per minibatch, at most n.
            generator: the source of randomness, on the batch's device.
        """


@dataclass(frozen=True)
class Division:
    """How the ranks divide their decisions into minibatches that all of them learn from together.

    Attributes:
        size: decisions of this rank in each minibatch.
        count: the most minibatches of an epoch, which all ranks have.
        weight: this rank's part of each minibatch.
    """

    size: int
    count: int
    weight: float


def divide(rows: np.ndarray, rank: int, batch_size: int) -> Division:
    """Return how a rank divides its decisions, so that all ranks have as many minibatches.

    A rank with more decisions has a larger part of every minibatch. Decisions that do not fill a last minibatch are
    left out of the epoch.

    Args:
        rows: (ranks,) decisions of each rank, at least 1 each.
        rank: number of the rank.
        batch_size: decisions in a minibatch of all ranks together.
    """
    total = int(rows.sum())
    sizes = np.maximum(1, rows * min(batch_size, total) // total)
    return Division(int(sizes[rank]), int((rows // sizes).min()), float(sizes[rank] / sizes.sum()))


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


def sampler_for(task: Task) -> Sampler:
    """Return the sampler of a behavior: of whole sequences if its network has a memory, else of single decisions.

    Raises:
        JointError: a sequence does not fit into a rank's part of a minibatch.
    """
    memory, batch_size = task.settings.network_settings.memory, task.settings.hyperparameters.batch_size
    if memory is None:
        return RowSampler()
    if memory.sequence_length > batch_size // task.collective.size:
        raise JointError(
            f"behavior {task.name}: a minibatch of {batch_size} on {task.collective.size} ranks has no room for a "
            f"sequence of {memory.sequence_length} on each; raise hyperparameters.batch_size or lower "
            "network_settings.memory.sequence_length"
        )
    return SequenceSampler()
