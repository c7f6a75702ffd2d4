"""Behavioral cloning: the policy learns to do what was demonstrated (ML-Agents block `behavioral_cloning`)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from trainers.config import BehavioralCloningSettings
from trainers.maths.imitation import cloning_loss
from trainers.maths.schedules import LEARNING_RATE_FLOOR, linear
from trainers.networks.actor_network import ActorNetwork
from trainers.networks.memory import Sequences
from trainers.networks.policy_network import PolicyNetwork
from trainers.optim.adam import Adam
from trainers.optim.collective import weighted_mean
from trainers.optim.optimizer import FlatAdam

if TYPE_CHECKING:
    from bridge.demonstrations import Decisions

PASSES = 3
"""Passes over the samples in an update if `num_epoch` is null, as in ML-Agents."""


class Cloning:
    """Moves the actor of a policy towards demonstrated actions, with an Adam of its own.

    Args:
        settings: the block of the training file.
        shown: what was demonstrated.
        policy: the network, an `ActorNetwork`.
        optimizer: holds the weights of the network in vectors.
        group: which of its vectors holds the actor's weights.
        hyper: `learning_rate`, `batch_size` and `adam_epsilon` of the policy.
        generator: the source of randomness.
        rows: numbers of the decisions to learn from; None: all.

    Attributes:
        weights: the actor's weights.
        adam: moves the actor's weights.
    """

    def __init__(
        self,
        settings: BehavioralCloningSettings,
        shown: "Decisions",
        policy: PolicyNetwork,
        optimizer: FlatAdam,
        group: int,
        hyper: Any,
        generator: torch.Generator,
        rows: np.ndarray | None = None,
    ) -> None:
        assert isinstance(policy, ActorNetwork)
        self.settings, self.shown, self.policy, self.generator = settings, shown, policy, generator
        self.optimizer = optimizer
        self.initial_rate = hyper.learning_rate * settings.strength
        self.rows = np.arange(len(shown)) if rows is None else rows
        self.batch_size = min(settings.batch_size or hyper.batch_size, len(self.rows))
        memory = policy.settings.memory if policy.memory_size else None
        self.sequence_length = 1 if memory is None else min(memory.sequence_length, self.batch_size)
        self.passes = settings.num_epoch or PASSES
        self.weights = optimizer.flat[group]
        self.adam = Adam([self.weights], [self.initial_rate], epsilon=hyper.adam_epsilon)

    def rate(self, step: int) -> float:
        """Return the learning rate at agent step `step`: it falls to 1e-10 at `steps`, unless that is 0."""
        if not self.settings.steps:
            return self.initial_rate
        return linear(self.initial_rate, LEARNING_RATE_FLOOR, step, self.settings.steps)

    def update(self, step: int) -> float:
        """Learn from the demonstrations, unless the schedule has ended.

        Args:
            step: agent steps so far.

        Returns:
            The mean loss of the minibatches; 0 after the schedule's end, as in ML-Agents.
        """
        if 0 < self.settings.steps <= step or not self.initial_rate:
            return 0.0
        self.set_rate(self.rate(step))
        losses = [self.descend(rows) for _ in range(self.passes) for rows in self.minibatches()]
        return float(torch.stack(losses).mean())

    def minibatches(self) -> Iterator[np.ndarray]:
        """Yield the rows of each minibatch of one pass, in random order; at most `samples_per_update` in all.

        With memory, sequences are shuffled instead of rows. A minibatch has as many as fill it if all are whole.
        With several ranks, each draws a part of every minibatch.
        """
        length, samples = self.sequence_length, self.settings.samples_per_update
        size = self.batch_size // length
        own = max(1, size // self.optimizer.collective.size)
        parts = self.rows[:, None] if length == 1 else self._sequences()
        count = max(1, len(parts) // size)
        if samples >= size * length:
            count = min(count, samples // (size * length))
        device = self.generator.device
        order = torch.randperm(len(parts), generator=self.generator, device=device).cpu().numpy()
        for start in range(0, count * own, own):
            chosen = order[start : start + own]
            yield self.rows[chosen] if length == 1 else np.concatenate([parts[index] for index in chosen])

    def set_rate(self, rate: float) -> None:
        """Set the learning rate."""
        self.adam.set_rates([rate])

    def descend(self, rows: np.ndarray) -> Tensor:
        """Take one gradient step on demonstrated rows, and return their loss before it."""
        loss = self.loss(rows)
        self.optimizer.backward(loss)
        ranks = self.optimizer.collective
        self.optimizer.gradient.copy_(weighted_mean(ranks, self.optimizer.gradient, 1.0 / ranks.size))
        self.adam.step()
        return loss.detach()

    def loss(self, rows: np.ndarray) -> Tensor:
        """Return the loss of demonstrated rows, see `maths.imitation.cloning_loss`."""
        action, shown, log_probs = self._outputs(rows)
        picks = torch.from_numpy(self.shown.discrete[rows]).to(self.policy.device)
        return cloning_loss(action, shown, log_probs, picks)

    def errors(self, rows: np.ndarray) -> Tensor:
        """Return how far the policy's likeliest continuous actions are from those shown, (n, size)."""
        action, shown, _ = self._outputs(rows)
        return action - shown

    def _outputs(self, rows: np.ndarray) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Return the policy's continuous actions, those shown, and log-probabilities for each branch.

        Continuous actions are in the units that the environment takes, within the range that a policy reaches.
        """
        policy, part = self.policy, self.shown.take(rows)
        mask = policy.upload_mask(part.forbidden if part.forbidden.any() else None)
        inputs = policy.upload(part.observations)
        distribution = policy.distribution(inputs, mask, self._divided(rows) if policy.memory_size else None)
        return (
            distribution.mode().continuous / policy.action_limit,
            torch.from_numpy(part.continuous).to(policy.device).clamp(-1.0, 1.0),
            distribution.log_probs,
        )

    def _sequences(self) -> list[np.ndarray]:
        """Return the rows to learn from as sequences in time, each from one trajectory."""
        length = self.sequence_length
        return [
            part[start : start + length]
            for part in np.split(self.rows, self._breaks(self.rows))
            for start in range(0, len(part), length)
        ]

    def _breaks(self, rows: np.ndarray) -> np.ndarray:
        """Return the places in a list of rows at which the row before is not the decision before."""
        trajectory = self.shown.trajectory[rows]
        return np.flatnonzero((np.diff(rows) != 1) | (np.diff(trajectory) != 0)) + 1

    def _divided(self, rows: np.ndarray) -> Sequences:
        """Return rows as sequences, each of which begins without a memory, as in ML-Agents."""
        lengths = np.diff(np.concatenate([[0], self._breaks(rows), [len(rows)]]))
        memory = torch.zeros((len(lengths), self.policy.memory_size), device=self.policy.device)
        return Sequences(torch.from_numpy(lengths), memory, memory[:, None][:, :0])

    def state_dict(self) -> dict[str, Any]:
        """Return the state of Adam; empty before the first step."""
        return dict(self.adam.state_dict()["state"].get(0, {}))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned. The learning rate is that of the settings, which may be 0.

        Raises:
            ValueError: a moment has another shape, or a number is out of its range.
        """
        if state:
            self.adam.load_moments({0: state})
