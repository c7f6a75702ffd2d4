"""Advantage actor-critic: `python -m trainers.a2c [CONFIG.yaml] [--env ENV]`.

Source: Mnih et al. 2016, "Asynchronous Methods for Deep Reinforcement Learning", in its synchronous form.
"""

from typing import ClassVar

import numpy as np
from torch import Tensor

from trainers.batch import Batch, NumpyBatch
from trainers.config import A2CSettings
from trainers.losses import policy_gradient_gradient, policy_gradient_loss, value_gradient, value_loss
from trainers.on_policy import OnPolicyLearner


class A2C(OnPolicyLearner):
    """One pass over each rollout with the plain policy gradient."""

    kind: ClassVar[str] = "a2c"
    hyper: A2CSettings

    def policy_loss(self, log_prob: Tensor, batch: Batch) -> Tensor:
        """The policy gradient's loss."""
        return policy_gradient_loss(log_prob, batch.log_prob, batch.advantage)

    def policy_gradient(self, log_prob: np.ndarray, batch: NumpyBatch) -> tuple[float, np.ndarray]:
        """See `OnPolicyLearner.policy_gradient`."""
        return policy_gradient_gradient(log_prob, batch.log_prob, batch.advantage)

    def value_loss(self, value: Tensor, batch: Batch) -> Tensor:
        """Squared error."""
        return value_loss(value, batch.returns)

    def value_gradient(self, value: np.ndarray, batch: NumpyBatch) -> tuple[float, np.ndarray]:
        """See `OnPolicyLearner.value_gradient`."""
        return value_gradient(value, batch.returns)


if __name__ == "__main__":
    from trainers.cli import main

    raise SystemExit(main(trainer_type="a2c"))
