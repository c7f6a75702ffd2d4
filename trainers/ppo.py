"""Proximal policy optimisation: `python -m trainers.ppo [CONFIG.yaml] [--env ENV]`.

Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms".
"""

from typing import ClassVar

from torch import Tensor

from trainers.batch import Batch
from trainers.config import PPOSettings
from trainers.distributions import ActionDistribution
from trainers.losses import clipped_policy_loss, clipped_value_loss, value_loss
from trainers.on_policy import OnPolicyLearner
from trainers.schedules import EPSILON_FLOOR


class PPO(OnPolicyLearner):
    """Clipped surrogate objective; the critic may be clipped around its old values too."""

    kind: ClassVar[str] = "ppo"
    hyper: PPOSettings

    @property
    def epsilon(self) -> float:
        """The clip range at the present step."""
        return self._decayed(self.hyper.epsilon, EPSILON_FLOOR, self.hyper.epsilon_schedule)

    def policy_loss(self, distribution: ActionDistribution, batch: Batch) -> tuple[Tensor, Tensor]:
        """The clipped surrogate, and the log-probabilities it was made from."""
        log_prob = distribution.log_prob(batch.actions)
        return clipped_policy_loss(log_prob, batch.log_prob, batch.advantage, self.epsilon), log_prob

    def value_loss(self, value: Tensor, batch: Batch) -> Tensor:
        """Squared error; with `clip_value_loss`, clipped around the old value."""
        if self.hyper.clip_value_loss:
            return clipped_value_loss(value, batch.value, batch.returns, self.epsilon)
        return value_loss(value, batch.returns)

    def _optimise(self, batch: Batch) -> None:
        self.metrics.add("Policy/Epsilon", self.epsilon)
        super()._optimise(batch)


if __name__ == "__main__":
    from trainers.cli import main

    raise SystemExit(main(trainer_type="ppo"))
