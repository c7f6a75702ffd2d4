"""Proximal policy optimisation: `python -m trainers.ppo [CONFIG.yaml] [--env ENV]`.

Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms".
"""

from typing import ClassVar, TypeVar

import numpy as np
from torch import Tensor

from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.config import PPOSettings
from trainers.experience.batch import Batch, NumpyBatch
from trainers.experience.rollout import Columns
from trainers.maths.losses import (
    clipped_policy_gradient,
    clipped_policy_loss,
    clipped_value_gradient,
    clipped_value_loss,
    value_gradient,
    value_loss,
)
from trainers.maths.schedules import EPSILON_FLOOR

Array = TypeVar("Array", Tensor, np.ndarray)


class PPO(OnPolicyLearner):
    """Clipped surrogate objective; the critic may be clipped around its old values too."""

    kind: ClassVar[str] = "ppo"
    hyper: PPOSettings

    @property
    def epsilon(self) -> float:
        """The clip range at the present step."""
        return self._decayed(self.hyper.epsilon, EPSILON_FLOOR, self.hyper.epsilon_schedule)

    @property
    def recomputes_advantage(self) -> bool:
        """See `OnPolicyLearner.recomputes_advantage`."""
        return self.hyper.recompute_advantage

    def policy_loss(self, log_prob: Tensor, batch: Batch) -> Tensor:
        """The clipped surrogate."""
        columns = self._ratio_columns(log_prob), self._ratio_columns(batch.log_prob)
        return clipped_policy_loss(*columns, batch.advantage, self.epsilon)

    def policy_gradient(self, log_prob: np.ndarray, batch: NumpyBatch) -> tuple[float, np.ndarray]:
        """See `OnPolicyLearner.policy_gradient`."""
        columns = self._ratio_columns(log_prob), self._ratio_columns(batch.log_prob)
        return clipped_policy_gradient(*columns, batch.advantage, self.epsilon)

    def value_loss(self, value: Tensor, batch: Batch) -> Tensor:
        """Squared error; with `clip_value_loss`, clipped around the old value."""
        if self.hyper.clip_value_loss:
            return clipped_value_loss(value, batch.value, batch.returns, self.epsilon)
        return value_loss(value, batch.returns)

    def value_gradient(self, value: np.ndarray, batch: NumpyBatch) -> tuple[float, np.ndarray]:
        """See `OnPolicyLearner.value_gradient`."""
        if self.hyper.clip_value_loss:
            return clipped_value_gradient(value, batch.value, batch.returns, self.epsilon)
        return value_gradient(value, batch.returns)

    def _ratio_columns(self, log_prob: Array) -> Array:
        """The log-probabilities that form a ratio of their own, (n, columns), from those of all parts, (n, parts)."""
        return log_prob if self.hyper.policy_ratio == "part" else log_prob.sum(1)[:, None]

    def _optimise(self, columns: Columns) -> None:
        self.metrics.add("Policy/Epsilon", self.epsilon)
        super()._optimise(columns)
