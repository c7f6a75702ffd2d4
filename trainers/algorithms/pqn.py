"""Parallelised Q-learning: Q(lambda) from the rollouts of many agents, without a replay buffer or a target network.

Source: Gallici et al. 2024, "Simplifying Deep Temporal Difference Learning", algorithm 1.
"""

import numpy as np
import torch
from torch import Tensor

from trainers.algorithms.advantages import batch_of, in_chunks
from trainers.algorithms.q_learner import QLearner
from trainers.algorithms.rollout_learner import RolloutLearner
from trainers.config import PQNSettings
from trainers.experience.batch import Batch
from trainers.experience.rollout import Columns
from trainers.experience.task import Task
from trainers.maths.losses import value_loss
from trainers.maths.returns import gae
from trainers.optim.captured import recorded
from trainers.optim.collective import weighted_mean


class PQN(QLearner, RolloutLearner):
    """Learns the values of the actions taken from the lambda-returns of the best actions' values."""

    settings_class = PQNSettings
    recordable = True
    hyper: PQNSettings

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.make_optimizer()

    def optimise(self, columns: Columns) -> None:
        """See `RolloutLearner.optimise`. The returns stay as they are in all epochs of an update."""
        self.optimizer.set_learning_rate(self.step)
        batch = self.prepare(columns)
        self.report_values(batch)
        figures = []
        learn = recorded(self.learn, self.recorder)
        for _ in range(self.hyper.num_epoch):
            shuffled, parts = self.minibatches(batch)
            figures += [learn(shuffled[part]) for part in parts]
        means = weighted_mean(self.collective, torch.stack(figures).mean(0), self.optimizer.weight)
        self.require_finite_weights()
        for tag, mean in zip(("Losses/Value Loss", "Losses/Gradient Norm"), means.tolist(), strict=True):
            self.metrics.add(tag, mean)
        self.metrics.add("Policy/Learning Rate", self.optimizer.learning_rate)
        self.metrics.add("Policy/epsilon", self.epsilon)

    def prepare(self, columns: Columns) -> Batch:
        """Return all settled rows as tensors, with the Q(lambda) returns.

        The return of a row is r + gamma ((1 - lambda) max Q(next) + lambda return(next)), which is the best value of
        the row and its advantage. An action at random does not cut it, as in the source. The value is that of all
        signals, discounted by the first one's `gamma`.
        """
        inputs = self.policy.upload(columns.observations)
        forbidden = self.policy.upload_mask(columns.forbidden if columns.forbidden.any() else None)
        with torch.no_grad():
            parts = in_chunks(inputs if forbidden is None else (*inputs, forbidden))
            best = torch.cat([self._best(part, forbidden is not None) for part in parts])
        advantage = gae(
            self.rewards(columns).sum(1, keepdims=True),
            best.cpu().numpy(),
            columns.next_row,
            columns.ending,
            columns.settled,
            columns.starts,
            np.array([self.signals[0].gamma], np.float32),
            self.hyper.lambd,
            np.array([self.signals[0].beyond_the_end]),
        )
        return batch_of(columns, inputs, None, best, best, advantage)

    def learn(self, minibatch: Batch) -> Tensor:
        """Take one gradient step. Return the loss and the gradient's norm, (2,)."""
        value = self.policy(minibatch.inputs).gather(1, minibatch.actions.discrete)
        loss = value_loss(value, minibatch.returns)
        norm = self.optimizer.descend(loss)
        return torch.stack([loss.detach(), norm])

    def _best(self, part: tuple[Tensor, ...], masked: bool) -> Tensor:
        """Return the values of the best allowed actions, (n, 1)."""
        inputs, forbidden = (part[:-1], part[-1]) if masked else (part, None)
        return self.policy.values(inputs, forbidden).amax(1, keepdim=True)
