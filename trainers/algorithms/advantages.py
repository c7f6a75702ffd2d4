"""A rollout as a batch to learn from: the values of its rows, its advantages, and the critic's targets."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from trainers.experience.batch import Batch
from trainers.experience.rollout import Columns
from trainers.experience.sequences import Chains, learned_sequences, remember
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.distributions import Actions
from trainers.optim.collective import Collective, standardised

VALUE_CHUNK = 4096
"""Rows whose values are computed at a time."""


def in_chunks(tensors: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
    """Yield the rows of tensors of the same length, `VALUE_CHUNK` at a time."""
    for start in range(0, len(tensors[0]), VALUE_CHUNK):
        yield tuple(tensor[start : start + VALUE_CHUNK] for tensor in tensors)


def values_of(
    policy: ActorCritic, columns: Columns, inputs: tuple[Tensor, ...], chains: Chains | None
) -> Tensor:
    """Return the values of all rows of a rollout, (rows, streams).

    Args:
        policy: the network.
        columns: the rollout.
        inputs: its observations as prepared inputs of the network.
        chains: its rows as sequences; None for a network without memory.
    """
    parts = in_chunks(inputs)
    if chains is None:
        return torch.cat([policy.value(part) for part in parts])
    features = torch.cat([policy.critic(part) for part in parts])
    values: Tensor = policy.value_head(remembered(policy, columns, features, chains))
    return values


def remembered(
    policy: ActorCritic, columns: Columns, features: Tensor, chains: Chains, number: int = 0
) -> Tensor:
    """Return the critic's features of all rows after its memory of that number, or the one that it shares."""
    layer, shared = policy.critic_memory, not policy.critic_memories
    assert layer is not None
    memory = columns.memory if shared else columns.critic_memory[:, number]
    return remember(layer, features, chains, memory, handed_on=not shared)


def batch_of(
    columns: Columns,
    inputs: tuple[Tensor, ...],
    chains: Chains | None,
    values: Tensor,
    baseline: Tensor,
    advantage: np.ndarray,
) -> Batch:
    """Return all settled rows of a rollout as tensors, on the device of the values.

    Args:
        columns: the rollout.
        inputs: its observations as prepared inputs of the network.
        chains: its rows as sequences; None for a network without memory.
        values: (rows, streams) the values of all rows.
        baseline: (rows, streams) what the returns are compared with, which may be `values` itself.
        advantage: (rows, streams) advantages over the values. The returns are their sums.
    """
    learned = np.flatnonzero(columns.settled) if chains is None else chains.learned_rows
    rows = torch.from_numpy(learned).to(values.device)

    def take(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(values.device)[rows]

    returns = take(advantage) + values[rows]
    return Batch(
        inputs=tuple(tensor[rows] for tensor in inputs),
        forbidden=take(columns.forbidden) if columns.forbidden.any() else None,
        actions=Actions(take(columns.continuous), take(columns.discrete)),
        log_prob=take(columns.log_prob),
        value=values[rows],
        baseline=baseline[rows],
        advantage=(take(advantage) if baseline is values else returns - baseline[rows]).mean(1),
        returns=returns,
        rows=rows,
        sequences=None if chains is None else learned_sequences(columns, chains, values.device),
    )


def standardised_in_parts(batch: Batch, parts: list[slice], collective: Collective) -> Batch:
    """Return a batch whose advantages have mean 0 and standard deviation 1 in each minibatch of all ranks.

    Args:
        batch: n decisions.
        parts: the minibatches, from the first decision on, of even size unless the batch has sequences. Decisions
            after the last of them are left out, or left as they are if the batch has sequences.
        collective: the ranks that train together.
    """
    end = parts[-1].stop
    if batch.sequences is None:
        batch = batch[:end]
        advantage = standardised(batch.advantage.view(len(parts), -1), collective).flatten()
    else:
        even = [standardised(batch.advantage[part], collective) for part in parts]
        advantage = torch.cat([*even, batch.advantage[end:]])
    return replace(batch, advantage=advantage)
