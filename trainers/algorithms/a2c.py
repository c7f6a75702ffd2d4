"""Advantage actor-critic: `python -m trainers.a2c [CONFIG.yaml] [--env ENV]`.

Source: Mnih et al. 2016, "Asynchronous Methods for Deep Reinforcement Learning", in its synchronous form.
"""

from typing import ClassVar

import numpy as np
from torch import Tensor

from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.config import A2CSettings
from trainers.experience.batch import Batch, NumpyBatch
from trainers.maths.losses import policy_gradient_gradient, policy_gradient_loss, value_gradient, value_loss
from trainers.maths.natural_gradient import move_within, natural_step

TOLERANCE = 1.5
"""How much further than asked the natural gradient may move the policy: its step is not made shorter for less."""


class A2C(OnPolicyLearner):
    """The policy gradient, each rollout once: in minibatches by Adam, or in one step along the natural gradient."""

    kind: ClassVar[str] = "a2c"
    hyper: A2CSettings

    @property
    def passes(self) -> int:
        """See `OnPolicyLearner.passes`; beside a natural gradient they are the critic's."""
        return self.hyper.critic_num_epoch if self.steps_at_once else self.hyper.num_epoch

    @property
    def recomputes_advantage(self) -> bool:
        """See `OnPolicyLearner.recomputes_advantage`."""
        return self.steps_at_once

    @property
    def steps_at_once(self) -> bool:
        """See `OnPolicyLearner.steps_at_once`."""
        return self.hyper.natural_gradient_kl is not None

    def _move_actor(self, batch: Batch, beta: float) -> None:
        """Along the natural gradient, as far as `natural_gradient_kl` says."""
        limit = self.hyper.natural_gradient_kl
        assert limit is not None
        distribution = self.policy.distribution(batch.inputs, batch.forbidden)
        old = distribution.detach()

        loss = policy_gradient_loss(distribution.log_prob(batch.actions), batch.log_prob, batch.advantage)
        loss = loss - beta * distribution.entropy().mean()
        divergence = distribution.divergence_from(old).mean()
        step = natural_step(loss, divergence, self.optimizer.actor_parameters, limit)

        def distance() -> Tensor:
            return self.policy.distribution(batch.inputs, batch.forbidden).divergence_from(old).mean()

        move_within(self.optimizer.flat[0].detach(), step, distance, TOLERANCE * limit)

    def policy_loss(self, log_prob: Tensor, batch: Batch) -> Tensor:
        """The policy gradient's loss; a constant where the actor has made its step already."""
        if self.steps_at_once:
            log_prob = log_prob.detach()
        return policy_gradient_loss(log_prob, batch.log_prob, batch.advantage)

    def policy_gradient(self, log_prob: np.ndarray, batch: NumpyBatch) -> tuple[float, np.ndarray]:
        """See `OnPolicyLearner.policy_gradient`."""
        loss, slope = policy_gradient_gradient(log_prob, batch.log_prob, batch.advantage)
        return loss, np.zeros_like(slope) if self.steps_at_once else slope

    def value_loss(self, value: Tensor, batch: Batch) -> Tensor:
        """Squared error."""
        return value_loss(value, batch.returns)

    def value_gradient(self, value: np.ndarray, batch: NumpyBatch) -> tuple[float, np.ndarray]:
        """See `OnPolicyLearner.value_gradient`."""
        return value_gradient(value, batch.returns)
