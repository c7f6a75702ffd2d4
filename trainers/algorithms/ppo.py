"""Proximal policy optimisation.

Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms".
"""

from dataclasses import replace
from functools import partial
from typing import ClassVar

from trainers.algorithms.actor_steps import ActorStep, InMinibatches, Losses
from trainers.algorithms.clipped_learner import ClippedLearner
from trainers.config import AlgorithmSettings, PPOSettings
from trainers.maths.losses import clipped_value_loss


class PPO(ClippedLearner):
    """The clipped surrogate objective. The critic may be clipped around its old values too (`clip_value_loss`)."""

    settings_class: ClassVar[type[AlgorithmSettings]] = PPOSettings
    hyper: PPOSettings

    def make_actor_step(self) -> ActorStep:
        """See `OnPolicyLearner.make_actor_step`."""
        return InMinibatches(self.hyper.num_epoch, self.hyper.recompute_advantage)

    def losses(self) -> Losses:
        """See `ClippedLearner.losses`; the critic's squared error is clipped with `clip_value_loss`."""
        losses = super().losses()
        if not self.hyper.clip_value_loss:
            return losses
        return replace(losses, value=partial(clipped_value_loss, epsilon=self.epsilon))
