"""Advantage actor-critic: `python -m trainers.a2c [CONFIG.yaml] [--env ENV]`.

Source: Mnih et al. 2016, "Asynchronous Methods for Deep Reinforcement Learning", in its synchronous form.
"""

from typing import ClassVar

from torch import Tensor

from trainers.batch import Batch
from trainers.config import A2CSettings
from trainers.distributions import ActionDistribution
from trainers.losses import policy_gradient_loss, value_loss
from trainers.on_policy import OnPolicyLearner


class A2C(OnPolicyLearner):
    """One pass over each rollout with the plain policy gradient."""

    kind: ClassVar[str] = "a2c"
    hyper: A2CSettings

    def policy_loss(self, distribution: ActionDistribution, batch: Batch) -> tuple[Tensor, Tensor]:
        """The policy gradient's loss, and the log-probabilities it was made from."""
        log_prob = distribution.log_prob(batch.actions)
        return policy_gradient_loss(log_prob, batch.advantage), log_prob

    def value_loss(self, value: Tensor, batch: Batch) -> Tensor:
        """Squared error."""
        return value_loss(value, batch.returns)


if __name__ == "__main__":
    from trainers.cli import main

    raise SystemExit(main(trainer_type="a2c"))
