"""A batch of rewarded decisions to learn from."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from trainers.networks.distributions import Actions
from trainers.networks.memory import Sequences


@dataclass(frozen=True)
class Batch:
    """`n` decisions, as tensors on the policy's device.

    Attributes:
        inputs: prepared inputs of the network, (n, ...) each.
        forbidden: (n, sum of branch sizes) bool, True where an action is forbidden; None if none is.
        actions: the raw actions taken.
        log_prob: (n, parts) log-probability of each part of the action when it was taken.
        value: (n, streams) the critic's output before the update.
        baseline: (n, streams) what advantages are measured against, which is the value unless an algorithm has another.
        advantage: (n,) mean of the advantages over reward streams.
        returns: (n, streams) targets of the critic, the lambda-returns of each stream.
        rows: (n,) the decisions' rows in the rollout.
        sequences: the sequences that the decisions form; None for a network without memory.
    """

    inputs: tuple[Tensor, ...]
    forbidden: Tensor | None
    actions: Actions
    log_prob: Tensor
    value: Tensor
    baseline: Tensor
    advantage: Tensor
    returns: Tensor
    rows: Tensor
    sequences: Sequences | None = None

    def __len__(self) -> int:
        return len(self.log_prob)

    def __getitem__(self, rows: Tensor | slice) -> "Batch":
        """Return some of the decisions; of a batch with sequences, a slice of whole sequences."""
        return Batch(
            inputs=tuple(tensor[rows] for tensor in self.inputs),
            forbidden=None if self.forbidden is None else self.forbidden[rows],
            actions=Actions(self.actions.continuous[rows], self.actions.discrete[rows]),
            log_prob=self.log_prob[rows],
            value=self.value[rows],
            baseline=self.baseline[rows],
            advantage=self.advantage[rows],
            returns=self.returns[rows],
            rows=self.rows[rows],
            sequences=None if self.sequences is None else self.sequences.within(rows),
        )

    def numpy(self) -> "NumpyBatch":
        """Return numpy views of the tensors, which must be on the CPU."""
        return NumpyBatch(
            inputs=tuple(tensor.numpy() for tensor in self.inputs),
            forbidden=None if self.forbidden is None else self.forbidden.numpy(),
            continuous=self.actions.continuous.numpy(),
            discrete=self.actions.discrete.numpy(),
            log_prob=self.log_prob.numpy(),
            value=self.value.numpy(),
            advantage=self.advantage.numpy(),
            returns=self.returns.numpy(),
        )


@dataclass(frozen=True)
class NumpyBatch:
    """A `Batch` as numpy arrays of the same shapes. Continuous and discrete actions are separate."""

    inputs: tuple[np.ndarray, ...]
    forbidden: np.ndarray | None
    continuous: np.ndarray
    discrete: np.ndarray
    log_prob: np.ndarray
    value: np.ndarray
    advantage: np.ndarray
    returns: np.ndarray

    def __getitem__(self, rows: slice) -> "NumpyBatch":
        return NumpyBatch(
            inputs=tuple(array[rows] for array in self.inputs),
            forbidden=None if self.forbidden is None else self.forbidden[rows],
            continuous=self.continuous[rows],
            discrete=self.discrete[rows],
            log_prob=self.log_prob[rows],
            value=self.value[rows],
            advantage=self.advantage[rows],
            returns=self.returns[rows],
        )
