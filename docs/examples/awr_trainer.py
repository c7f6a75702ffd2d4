"""Advantage-weighted regression: repeat what was done, the more so the better it turned out.

Source: Peng et al. 2019, "Advantage-Weighted Regression: Simple and Scalable Off-Policy Reinforcement Learning",
equation 9, here on the newest rollout alone.
"""

from functools import partial

from torch import Tensor

from trainers.algorithms.actor_steps import ActorStep, InMinibatches, Losses
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.config import ActorCriticSettings, Positive, extension
from trainers.maths.losses import value_loss

LARGEST_WEIGHT = 20.0


class AWRSettings(ActorCriticSettings):
    """Hyperparameters of ``trainer_type: awr``."""

    temperature: Positive = extension(
        1.0, description="Advantage by which a decision weighs e times as much. Typical: 0.2-2."
    )


def weighted_regression_loss(
    log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, temperature: float
) -> Tensor:
    """Minus the weighted log-likelihood of the actions taken.

    Args:
        log_prob: (n, parts) of each part of the actions, now.
        old_log_prob: (n, parts) when they were taken; not looked at.
        advantage: (n,).
        temperature: advantage that multiplies a weight by e.
    """
    weight = (advantage / temperature).exp().clamp(max=LARGEST_WEIGHT)
    return -(weight * log_prob.sum(1)).mean()


class AWR(OnPolicyLearner):
    """The weighted regression, in minibatches, some passes over each rollout."""

    settings_class = AWRSettings
    hyper: AWRSettings

    def make_actor_step(self) -> ActorStep:
        """Actor and critic learn together."""
        return InMinibatches(self.hyper.num_epoch)

    def losses(self) -> Losses:
        """The policy's loss and the critic's."""
        policy = partial(weighted_regression_loss, temperature=self.hyper.temperature)
        return Losses(policy, partial(value_loss))
